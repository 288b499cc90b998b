// Under which conditions commands run, and which ones do not.
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "services/executor/attempt_fixture.h"
#include "services/executor/secrets.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

// How a command runs, apart from its file.
class ConditionsTest : public AttemptTest {
 protected:
  // A job without a file that prints what `script` does; its log.
  v1::Assignment Print(const std::string& script) {
    v1::Assignment job;
    job.mutable_lease()->set_job_id(7);
    job.mutable_lease()->set_token(2);
    for (const char* part : {"sh", "-c"}) job.add_command(part);
    job.add_command(script);
    *job.mutable_kill_after() = ToProto(absl::Seconds(20));
    return job;
  }
  std::string OutputOf(const v1::Assignment& job) {
    const auto attempt = Begin(job);
    const v1::AttemptResult result = WaitFor(*attempt);
    EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED) << result.message();
    return LogText(*attempt->log()->Read(0, 1 << 20));
  }
  std::string Refusal(const v1::Assignment& job) {
    const v1::AttemptResult result = RunJob(job);
    EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
    return result.message();
  }
  std::string Write(const std::string& name, const std::string& content, mode_t mode) {
    const std::string file = root_ + "/" + name;
    std::ofstream(file, std::ios::binary) << content;
    EXPECT_EQ(chmod(file.c_str(), mode), 0);
    return file;
  }
};

TEST_F(ConditionsTest, TheEnvironmentIsCleanButForWhatIsSaid) {
  ASSERT_EQ(setenv("ONLY_OF_THE_EXECUTOR", "1", 1), 0);
  context_.environment = {{"R_LIBS", "/opt/r"}};
  const std::string output = OutputOf(Print("env"));
  EXPECT_EQ(output.find("ONLY_OF_THE_EXECUTOR"), std::string::npos) << output;
  EXPECT_NE(output.find("R_LIBS=/opt/r\n"), std::string::npos) << output;
  EXPECT_NE(output.find("LANG=C.UTF-8\n"), std::string::npos) << output;
}

TEST_F(ConditionsTest, AWorkingDirectoryThatIsThere) {
  v1::Assignment job = Print("pwd");
  job.set_wd(root_ + "/in");
  EXPECT_EQ(OutputOf(job), fs::canonical(root_ + "/in").string() + "\n");
  EXPECT_TRUE(fs::exists(root_ + "/in"));
  job.set_wd(root_ + "/nowhere");
  EXPECT_NE(Refusal(job).find("/nowhere` is no directory on this host"), std::string::npos);
}

TEST_F(ConditionsTest, NicenessAndOpenFiles) {
  v1::Assignment job = Print("nice; ulimit -n; ulimit -Hn");
  job.set_nice(5);
  job.set_nofile(99);
  errno = 0;
  EXPECT_EQ(OutputOf(job), std::to_string(std::min(nice(0) + 5, 19)) + "\n99\n99\n");
}

TEST_F(ConditionsTest, SecretsComeFromTheHostAndAreKeptNowhere) {
  v1::Assignment job = Print("echo \"$TOKEN|$EMPTY|$REGION\"");
  (*job.mutable_env())["REGION"] = "us";
  job.set_secrets_from(
      Write("secrets", "# for the API\n\nTOKEN=a \"b\"=c\nEMPTY=\nREGION=eu", 0600));
  EXPECT_EQ(OutputOf(job), "a \"b\"=c||eu\n");
  const std::string all = ReadFile(root_ + "/state/attempts/7-2.start");
  EXPECT_EQ(all.find("\"b\""), std::string::npos);

  job.set_secrets_from(root_ + "/nowhere");
  EXPECT_NE(Refusal(job).find("is not there on this host"), std::string::npos);
  job.set_secrets_from(Write("open", "TOKEN=1\n", 0644));
  EXPECT_NE(Refusal(job).find("chmod 600"), std::string::npos);
  job.set_secrets_from(Write("wrong", "TOKEN=1\nhunter2\n", 0600));
  const std::string refusal = Refusal(job);
  EXPECT_NE(refusal.find("line 2"), std::string::npos);
  EXPECT_EQ(refusal.find("hunter2"), std::string::npos) << "a value may stand there";
}

TEST_F(ConditionsTest, AnotherUserOwnsWhatItMakes) {
  v1::Assignment job =
      Job("a/b/f.csv", "abc",
          {"sh", "-c", "id -un; id -Gn; echo $HOME; touch here; cp $0 $1", "{input}", "{output}"});
  job.set_run_as("nobody");
  if (geteuid() != 0) {
    EXPECT_NE(Refusal(job).find("root"), std::string::npos);
    GTEST_SKIP() << "only root can be somebody else";
  }
  // The way to what it reads and writes must be open to it.
  for (std::string open = root_; open.size() > 1; open = fs::path(open).parent_path()) {
    fs::permissions(open, fs::perms::others_exec, fs::perm_options::add);
  }
  EXPECT_EQ(OutputOf(job), "nobody\nnogroup\n/nonexistent\n");
  struct stat st = {};
  ASSERT_EQ(stat(Staged("a/b/f.csv").c_str(), &st), 0);
  EXPECT_NE(st.st_uid, 0u);
  job.set_run_as("no-such-user");
  EXPECT_NE(Refusal(job).find("there is no user `no-such-user`"), std::string::npos);
}

TEST_F(ConditionsTest, WhatIsNotAllowedIsRefusedForGood) {
  context_.confinement.executor = "vm-c-1";
  context_.confinement.allowed = AllowedCommands({root_ + "/bin"});
  fs::create_directory(root_ + "/bin");
  Write("bin/listed", "#!/bin/sh\ntouch \"$CLOSEWRITE_OUTPUT_DIR/r\"; echo \"$0\"\n", 0755);
  fs::create_symlink(root_ + "/bin/listed", root_ + "/in/link");
  fs::create_symlink("/bin/sh", root_ + "/bin/leads-out");
  v1::Assignment job = Job("f", "", {"sh", "-c", "touch " + root_ + "/ran"});
  v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_REFUSED);
  EXPECT_NE(result.message().find("program `sh`, which is "), std::string::npos);
  EXPECT_NE(result.message().find("may not run on executor vm-c-1: it is not among its "
                                  "allow_commands; "),
            std::string::npos);
  job.set_command(0, root_ + "/bin/leads-out");
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_REFUSED);
  EXPECT_FALSE(fs::exists(root_ + "/ran"));
  EXPECT_TRUE(StagingIsGone());
  EXPECT_TRUE(fs::is_empty(root_ + "/state/scratch"));
  EXPECT_TRUE(fs::is_empty(root_ + "/state/attempts"));

  job.set_command(0, root_ + "/in/link");
  EXPECT_EQ(OutputOf(job), fs::canonical(root_ + "/bin/listed").string() + "\n");
  job.set_command(0, "listed");
  result = RunJob(job);  // it is not in the PATH
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_NE(result.message().find("was not found on vm-c"), std::string::npos);
  context_.environment = {{"PATH", root_ + "/bin"}};
  OutputOf(job);
}

TEST_F(ConditionsTest, WhatBringsInCodeIsTheHostsWhereNotEverythingMayRun) {
  v1::Assignment job = Print("exit 0");
  (*job.mutable_env())["LD_PRELOAD"] = "/mnt/volume/evil.so";
  context_.confinement.allowed = AllowedCommands({"/bin/sh"});
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_REFUSED);
  EXPECT_NE(RunJob(job).message().find("`LD_PRELOAD` makes programs run"), std::string::npos);
  job.clear_env();
  OutputOf(job);
  job.set_secrets_from(Write("secrets", "PATH=/mnt/volume\n", 0600));
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_REFUSED);
}

TEST_F(ConditionsTest, AllCommandsOfAnExecutorMayHaveOneUser) {
  context_.confinement.run_as = OwnAccount();
  v1::Assignment job = Print("id -u");
  EXPECT_EQ(OutputOf(job), std::to_string(geteuid()) + "\n");
  job.set_run_as(std::to_string(geteuid()));
  EXPECT_EQ(OutputOf(job), std::to_string(geteuid()) + "\n");
  for (const char* other : {"nobody", "no-such-user"}) {
    job.set_run_as(other);
    const v1::AttemptResult result = RunJob(job);
    EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_REFUSED);
    EXPECT_NE(result.message().find("not as " + std::string(other)), std::string::npos);
  }
}

TEST_F(ConditionsTest, SecretsOfTheHostAreReadAtEachStart) {
  context_.confinement.environment_files = {{"TOKEN", Write("token", "s3cret\n\n", 0640)},
                                            {"EMPTY", Write("empty", "\n", 0600)}};
  v1::Assignment job = Print("printf '%s|%s|' \"$TOKEN\" \"$EMPTY\"");
  EXPECT_EQ(OutputOf(job), "s3cret\n||");
  for (const auto& file : fs::recursive_directory_iterator(root_ + "/state")) {
    if (!file.is_regular_file() || file.path().string().find("/logs/") != std::string::npos)
      continue;
    EXPECT_EQ(ReadFile(file.path()).find("s3cret"), std::string::npos) << file.path();
  }
  Write("token", "another", 0640);
  job.mutable_lease()->set_token(3);  // with a log of its own
  EXPECT_EQ(OutputOf(job), "another||");

  // Named by variable and path, never by content; and to be tried again.
  Write("token", std::string("s3cret\0", 7), 0600);
  EXPECT_NE(Refusal(job).find("env_files: TOKEN: " + root_ + "/token holds a NUL byte"),
            std::string::npos);
  Write("token", std::string(kSecretsBytesMax + 1, 's'), 0600);
  EXPECT_NE(Refusal(job).find("has more than 65536 bytes"), std::string::npos);
  Write("token", "s3cret", 0602);
  EXPECT_NE(Refusal(job).find("can be written by everybody"), std::string::npos);
  EXPECT_EQ(Refusal(job).find("s3cret"), std::string::npos);
  fs::remove(root_ + "/token");
  EXPECT_NE(Refusal(job).find("env_files: TOKEN: " + root_ + "/token is not there on this host"),
            std::string::npos);
}

// A change of the user takes away what the kernel kills it by.
TEST_F(ConditionsTest, AnotherUsersCommandDiesWithItsSupervisor) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  v1::Assignment job = Print("echo $PPID; exec sleep 1000");
  job.set_run_as("nobody");
  const auto attempt = Begin(job);
  WaitForOutput(*attempt);
  ASSERT_EQ(kill(std::stoi(LogText(*attempt->log()->Read(0, 1 << 20))), SIGKILL), 0);
  EXPECT_EQ(WaitFor(*attempt).outcome(), v1::ATTEMPT_OUTCOME_FAILED);
}

}  // namespace
}  // namespace closewrite::executor
