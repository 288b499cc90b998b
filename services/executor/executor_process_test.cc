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
#include <map>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/fake_coordinator.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;
using Key = FakeCoordinator::Key;

constexpr char kProgram[] = "services/executor/closewrite-executor";

// "" as well when a process ends while what /proc says of it is read: only a formatted read takes
// that error for the end.
std::string ReadFile(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  std::getline(stream, text, '\0');
  return text;
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

  // The executor's child of this name that was started last; 0 when there is none.
  pid_t ChildNamed(const std::string& name) const {
    pid_t found = 0;
    const std::string tasks = "/proc/" + std::to_string(executor_) + "/task";
    for (const auto& task : fs::directory_iterator(tasks)) {
      std::ifstream children(task.path() / "children");
      for (pid_t child = 0; children >> child;) {
        if (ReadFile("/proc/" + std::to_string(child) + "/comm") == name + "\n") found = child;
      }
    }
    return found;
  }
  // Once it guards.
  pid_t Guardian() {
    pid_t guardian = 0;
    EXPECT_TRUE(Eventually([&] { return (guardian = ChildNamed("cw-guardian")) != 0; }));
    return guardian;
  }
  // Established TCP connections of a process, with how many bytes it has not read yet.
  static std::map<std::string, int64_t> Connections(pid_t pid) {
    std::map<std::string, int64_t> unread;
    for (const char* const table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
      std::ifstream lines(table);
      for (std::string line; std::getline(lines, line);) {
        // proc(5): number, addresses, state, queues (hexadecimal, unread behind the colon), ...
        std::istringstream words(line);
        std::vector<std::string> fields(std::istream_iterator<std::string>(words), {});
        if (fields.size() <= 9 || fields[3] != "01") continue;
        unread["socket:[" + fields[9] + "]"] =
            std::stoll(fields[4].substr(fields[4].find(':') + 1), nullptr, 16);
      }
    }
    std::map<std::string, int64_t> found;
    for (const auto& fd : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      std::error_code gone;
      const std::string target = fs::read_symlink(fd.path(), gone);
      if (unread.contains(target)) found.insert(*unread.find(target));
    }
    return found;
  }
  // Until it knows its session.
  void AwaitSession() const {
    EXPECT_TRUE(Eventually([&] { return !ReadFile(root_ + "/state/session").empty(); }));
  }
  void Kill() {
    kill(executor_, SIGKILL);
    EXPECT_EQ(WaitForExit(), -1);
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

TEST_F(ExecutorProcessTest, KilledWithoutAGuardianItTakesItsCommandAlongAndTheNextOneReportsIt) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; trap '' TERM; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  kill(Guardian(), SIGKILL);
  Kill();
  Start();
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  EXPECT_TRUE(IsDead(command));
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  // The session of the dead ends, and the next one has its own.
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
  EXPECT_EQ(coordinator.ended, std::vector<std::string>{coordinator.sessions[0]});
}

TEST_F(ExecutorProcessTest, KilledWithoutCommandsItsSessionIsEndedAtOnce) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  AwaitSession();
  const pid_t guardian = Guardian();
  Kill();
  coordinator.Await([&] { return !coordinator.ended.empty(); });
  EXPECT_EQ(coordinator.ended, coordinator.sessions);
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
}

// gRPC reads from a connection only while somebody waits on it: that of a guardian never got past
// the coordinator's hello, was made anew every few seconds, and was not there when it was needed.
TEST_F(ExecutorProcessTest, TheGuardianReadsWhatTheCoordinatorSays) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  AwaitSession();
  const pid_t guardian = Guardian();
  EXPECT_TRUE(Eventually([&] { return Connections(guardian).size() == 1; }));
  poll(nullptr, 0, 500);  // until the hello has surely come
  EXPECT_TRUE(Eventually([&] {
    const auto connections = Connections(guardian);
    return connections.size() == 1 && connections.begin()->second == 0;
  }));
  Kill();
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
  EXPECT_EQ(coordinator.ended.size(), 1u);
}

TEST_F(ExecutorProcessTest, KilledWithACommandItsSessionIsEndedWhenThatIsDeadAndItsOutputTold) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(
      Job("echo $$; trap '' TERM; echo last > /dev/stderr; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  coordinator.OnEndSession([&] { EXPECT_TRUE(IsDead(command)); });
  const pid_t guardian = Guardian();
  Kill();
  coordinator.Await([&] { return !coordinator.ended.empty(); });
  EXPECT_EQ(coordinator.ended, coordinator.sessions);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(coordinator.logs[Key(7, 1)], std::to_string(command) + "\nlast\n");
  // The next one has a session of its own.
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
  Start();
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
}

TEST_F(ExecutorProcessTest, KilledWithItsSupervisorsTheRestOfTheGroupIsKilledFirst) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("sleep 1000 & echo $!; wait"));
  const pid_t left_behind = CommandOf(coordinator);
  coordinator.OnEndSession([&] { EXPECT_TRUE(IsDead(left_behind)); });
  const pid_t supervisor = ChildNamed("cw-supervisor");
  ASSERT_NE(supervisor, 0);
  kill(executor_, SIGSTOP);  // or it would see its supervisor die
  kill(supervisor, SIGKILL);
  Kill();
  coordinator.Await([&] { return !coordinator.ended.empty(); });
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
}

TEST_F(ExecutorProcessTest, WhileASupervisorLivesTheSessionIsNotEnded) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  coordinator.OnEndSession([&] { EXPECT_TRUE(IsDead(command)); });
  const pid_t guardian = Guardian();
  const pid_t supervisor = ChildNamed("cw-supervisor");
  ASSERT_NE(supervisor, 0);
  kill(supervisor, SIGSTOP);
  Kill();
  coordinator.Await([&] { return coordinator.streams == 0; });
  EXPECT_FALSE(IsDead(command));
  EXPECT_FALSE(IsDead(guardian));
  EXPECT_TRUE(coordinator.ended.empty());
  kill(supervisor, SIGCONT);
  coordinator.Await([&] { return !coordinator.ended.empty(); });
}

TEST_F(ExecutorProcessTest, AnExecutorThatIsBackSoonerSpeaksForItself) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  CommandOf(coordinator);
  const pid_t guardian = Guardian();
  kill(guardian, SIGSTOP);
  Kill();
  Start();
  coordinator.Await([&] { return coordinator.results.count(Key(7, 1)) != 0; });
  kill(guardian, SIGCONT);
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
  EXPECT_EQ(coordinator.ended, std::vector<std::string>{coordinator.sessions[0]});
}

TEST_F(ExecutorProcessTest, SigtermDismissesTheGuardian) {
  FakeCoordinator coordinator(absl::Minutes(1));
  Configure(coordinator.address());
  Start();
  AwaitSession();
  const pid_t guardian = Guardian();
  kill(guardian, SIGTERM);  // as whoever stops all processes of a service does
  kill(executor_, SIGTERM);
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_TRUE(IsDead(guardian));
  EXPECT_TRUE(coordinator.ended.empty());
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
