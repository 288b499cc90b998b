// The program itself: frozen, killed, stopped and badly configured.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/fake_coordinator.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;
using Key = FakeCoordinator::Key;

constexpr char kProgram[] = "services/executor/closewrite-executor";

std::string ReadFile(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

// Dead, or a zombie that somebody else has to reap.
bool IsDead(pid_t pid) {
  const std::string text = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos || text[name_end + 2] == 'Z' || text[name_end + 2] == 'X';
}

// Foreign processes tell nobody that they die: the only way is to look.
bool Eventually(const std::function<bool()>& condition) {
  const absl::Duration deadline = SinceBoot() + absl::Seconds(20);
  while (!condition()) {
    if (SinceBoot() > deadline) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

class ExecutorProcessTest : public testing::Test {
 protected:
  ExecutorProcessTest() {
    std::string name = testing::TempDir() + "/process.XXXXXX";
    root_ = mkdtemp(name.data());
    fs::create_directory(root_ + "/out");
  }

  ~ExecutorProcessTest() override {
    if (executor_ == 0) return;
    kill(executor_, SIGKILL);
    waitpid(executor_, nullptr, 0);
  }

  void Configure(const std::string& coordinator, const std::string& more = "") {
    std::ofstream(root_ + "/executor.yaml")
        << "host: vm-c\nlisten: 127.0.0.1:0\ncoordinator: " << coordinator << "\nstate: " << root_
        << "/state\nvolumes:\n  out: {path: " << root_ << "/out}\n"
        << more;
  }

  void Start() {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const std::string errors = Errors();
    posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    std::string config = root_ + "/executor.yaml";
    std::string program = kProgram;
    std::string flag = "--config";
    char* arguments[] = {program.data(), flag.data(), config.data(), nullptr};
    ASSERT_EQ(posix_spawn(&executor_, kProgram, &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }

  int WaitForExit() {
    int status = 0;
    waitpid(executor_, &status, 0);
    executor_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string Errors() const { return root_ + "/errors"; }

  static v1::Assignment Job(const std::string& script) {
    v1::Assignment job;
    job.mutable_lease()->set_job_id(7);
    job.mutable_lease()->set_token(1);
    for (const char* part : {"sh", "-c"}) job.add_command(part);
    job.add_command(script);
    job.set_output_volume("out");
    job.mutable_kill_after()->set_seconds(20);
    return job;
  }

  // The number that the command has printed.
  static pid_t CommandOf(FakeCoordinator& coordinator) {
    coordinator.Await([&] { return !coordinator.logs[Key(7, 1)].empty(); });
    return std::atoi(coordinator.logs[Key(7, 1)].c_str());
  }

  std::string root_;
  pid_t executor_ = 0;
};

TEST_F(ExecutorProcessTest, WhileItIsFrozenItsCommandDiesAndNothingIsReportedLater) {
  FakeCoordinator coordinator(absl::Seconds(3));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(
      Job("echo result > \"$CLOSEWRITE_OUTPUT_DIR/r\"; echo $$; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  kill(executor_, SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return IsDead(command); }));
  coordinator.ExpireSession();
  kill(executor_, SIGCONT);
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
  EXPECT_TRUE(coordinator.results.empty());
  EXPECT_FALSE(fs::exists(root_ + "/out/.closewrite/staging/7/1"));
}

TEST_F(ExecutorProcessTest, KilledItTakesItsCommandAlongAndTheNextOneReportsIt) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; trap '' TERM; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  kill(executor_, SIGKILL);
  EXPECT_EQ(WaitForExit(), -1);
  Start();
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  EXPECT_TRUE(IsDead(command));
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(coordinator.sessions.size(), 1);
}

TEST_F(ExecutorProcessTest, SigtermFinishesWhatRunsAndExitsWithZero) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; while ! test -e '" + root_ + "/go'; do sleep 0.01; done"));
  CommandOf(coordinator);
  kill(executor_, SIGTERM);
  coordinator.Await([&] { return coordinator.draining; });
  std::ofstream(root_ + "/go") << "";
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(ExecutorProcessTest, ASecondSigtermKillsWhatRuns) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; trap '' TERM; sleep 1000"));
  CommandOf(coordinator);
  kill(executor_, SIGTERM);
  coordinator.Await([&] { return coordinator.draining; });
  kill(executor_, SIGTERM);
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_KILLED);
}

TEST_F(ExecutorProcessTest, ABadConfigurationIsOneLineAndExitCodeTwo) {
  Configure("127.0.0.1:1", "slotz: 4\n");
  Start();
  EXPECT_EQ(WaitForExit(), 2);
  const std::string errors = ReadFile(Errors());
  EXPECT_NE(errors.find("slots"), std::string::npos) << errors;
  EXPECT_EQ(errors.find('\n'), errors.size() - 1) << errors;
  EXPECT_FALSE(fs::exists(root_ + "/state"));
}

}  // namespace
}  // namespace closewrite::executor
