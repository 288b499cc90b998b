#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/executor/command_fixture.h"
#include "services/executor/sandbox_trial.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

class SandboxTest : public CommandTest {
 protected:
  SandboxTest() : kept_(KeptInSandbox({directory_})) {}

  void SetUp() override {
    const absl::Status can = TrySandbox(image_.get(), kept_);
    if (!can.ok()) GTEST_SKIP() << can.message();
    fs::create_directory(directory_ + "/staging");
    fs::create_directory(directory_ + "/open");
    fs::permissions(directory_ + "/open", fs::perms::all);
  }

  // It may write into the folder `staging`.
  CommandOptions ShutIn(const std::string& script) {
    CommandOptions options = Shell(script);
    options.sandbox = true;
    options.kept = kept_;
    options.kept.push_back("w" + directory_ + "/staging");
    return options;
  }

  // What it prints, stdout and stderr.
  std::string OutputOfScript(const std::string& script) {
    const CommandEnd end = Run(ShutIn(script));
    EXPECT_TRUE(end.started) << end.error;
    EXPECT_EQ(end.wait_status, 0) << output_;
    return output_;
  }

  const std::vector<std::string> kept_;
};

TEST_F(SandboxTest, NothingCanBeWrittenButWhatIsTold) {
  EXPECT_NE(
      OutputOfScript("echo x > open/file; echo x > staging/file").find("Read-only file system"),
      std::string::npos)
      << output_;
  EXPECT_FALSE(fs::exists(directory_ + "/open/file"));
  EXPECT_TRUE(fs::exists(directory_ + "/staging/file"));
  EXPECT_EQ(OutputOfScript("pwd"), directory_ + "\n");
  EXPECT_EQ(OutputOfScript("id -u"), std::to_string(geteuid()) + "\n");
}

TEST_F(SandboxTest, ItsWorkingDirectoryIsTheOneThatCanBeWritten) {
  CommandOptions options = ShutIn("echo x > file; mkdir a; mv file a/file");
  options.directory = directory_ + "/staging";
  EXPECT_EQ(Run(options).wait_status, 0) << output_;
  EXPECT_TRUE(fs::exists(directory_ + "/staging/a/file"));
}

TEST_F(SandboxTest, TemporaryFoldersAreItsOwnAndEmpty) {
  const std::string name = "cw-sandbox-" + std::to_string(getpid());
  for (const std::string folder : {"/tmp/", "/var/tmp/", "/dev/shm/"}) {
    if (!fs::exists(folder)) continue;
    std::ofstream(folder + name) << "ours";
    EXPECT_EQ(OutputOfScript("ls " + folder + name + " 2> /dev/null || echo none; echo theirs > " +
                             folder + "x-" + name + " && cat " + folder + "x-" + name),
              "none\ntheirs\n");
    EXPECT_FALSE(fs::exists(folder + "x-" + name));
    fs::remove(folder + name);
  }
}

TEST_F(SandboxTest, DevicesAndProcessesAreAsTheyWere) {
  EXPECT_EQ(OutputOfScript("echo gone > /dev/null; head -c 3 /dev/zero | wc -c; "
                           "echo 0 > /proc/self/oom_score_adj && echo written"),
            "3\nwritten\n");
}

// Root could have made everything writable again, or have gone by the mounts of another process.
TEST_F(SandboxTest, NoWayLeadsOutOfIt) {
  OutputOfScript("mount -o remount,bind,rw / ; umount /tmp; echo x > /proc/1/root" + directory_ +
                 "/open/file; echo x > /proc/$PPID/root" + directory_ +
                 "/open/file; "
                 "nsenter --target $PPID --mount touch " +
                 directory_ +
                 "/open/file; "
                 "unshare --mount --map-root-user sh -c 'mount -o remount,bind,rw /; echo x > "
                 "open/file'; true");
  EXPECT_FALSE(fs::exists(directory_ + "/open/file")) << output_;
}

TEST_F(SandboxTest, AnotherUserIsShutInAsWell) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  CommandOptions options =
      ShutIn("id -un; touch staging/file; touch open/file; echo x > /tmp/x && cat /tmp/x");
  options.run_as = *FindAccount("nobody");
  ASSERT_EQ(chown((directory_ + "/staging").c_str(), options.run_as->uid, options.run_as->gid), 0);
  for (fs::path open = directory_; open.has_relative_path(); open = open.parent_path()) {
    fs::permissions(open, fs::perms::others_exec, fs::perm_options::add);
  }
  EXPECT_EQ(Run(options).wait_status, 0);
  EXPECT_EQ(OutputOf(LogStream::kStdout), "nobody\nx\n");
  EXPECT_TRUE(fs::exists(directory_ + "/staging/file"));
  EXPECT_FALSE(fs::exists(directory_ + "/open/file"));
}

TEST_F(SandboxTest, ItDiesWithAllThatItHasStarted) {
  auto command = Command::Start(ShutIn("setsid sleep 1000 & echo $!; wait"));
  ASSERT_TRUE(command.ok()) << command.status();
  const CommandEnd end = Watch(command->get(), [&] { (*command)->Kill(); });
  EXPECT_EQ(end.cause, SupervisorReport::kTold);
  EXPECT_TRUE(IsDead(pid_));
  EXPECT_TRUE(IsDead(PidInOutput()));
}

TEST_F(SandboxTest, WhatCannotBeMadeStartsNothing) {
  CommandOptions options = ShutIn("touch staging/started");
  options.kept.push_back("w" + directory_ + "/nowhere");
  const CommandEnd end = Run(options);
  EXPECT_FALSE(end.started);
  EXPECT_EQ(end.error, kSandboxErrors + ENOENT);
  EXPECT_FALSE(fs::exists(directory_ + "/staging/started"));
  const absl::Status refused = TrySandbox(image_.get(), {"w" + directory_ + "/nowhere"});
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("open what can be written: No such file"), std::string::npos)
      << refused;
}

TEST_F(SandboxTest, WhatAPrivateFolderWouldHideIsKept) {
  std::string folder = "/tmp/closewrite-kept.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/input") << "input\n";
  fs::create_directory(folder + "/staging");
  fs::create_symlink(folder, directory_ + "/link");
  CommandOptions options =
      ShutIn("cat link/input; echo x > link/staging/file; echo x > link/other");
  for (const std::string& kept : KeptInSandbox({directory_ + "/link"})) {
    options.kept.push_back(kept);
  }
  options.kept.push_back("w" + directory_ + "/link/staging");
  Run(options);
  EXPECT_EQ(OutputOf(LogStream::kStdout), "input\n") << output_;
  EXPECT_TRUE(fs::exists(folder + "/staging/file"));
  EXPECT_FALSE(fs::exists(folder + "/other"));
  fs::remove_all(folder);
}

TEST_F(CommandTest, CanGainNoRightsUnlessItIsSaidSo) {
  CommandOptions options = Shell("grep NoNewPrivs /proc/self/status | cut -f 2");
  Run(options);
  EXPECT_EQ(output_, "1\n");
  options = Shell("grep NoNewPrivs /proc/self/status | cut -f 2");
  options.no_new_privs = false;
  Run(options);
  EXPECT_EQ(output_, "0\n");
}

// Programs like busybox look at the name that they were called by.
TEST_F(CommandTest, AProgramThatWasLookedUpKeepsTheNameItWasCalledBy) {
  CommandOptions options = Options({"as-written", "-c", "cat /proc/$$/cmdline | tr '\\0' ' '"});
  options.file = "/bin/sh";
  EXPECT_EQ(Run(options).wait_status, 0);
  EXPECT_EQ(output_.substr(0, 13), "as-written -c");
}

}  // namespace
}  // namespace closewrite::executor
