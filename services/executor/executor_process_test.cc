// The program itself: frozen, killed, stopped and badly configured.
#include "services/executor/executor_process.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

// Whose commands die with it.
constexpr char kMortal[] = "commands_outlive: false\n";

class ExecutorProcessTest : public ExecutorProcess {};

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
  Configure(coordinator.address(), kMortal);
  Start();
  coordinator.Assign(Job("echo $$; trap '' TERM; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  kill(Guardian(), SIGKILL);
  Kill();
  Start();
  AwaitResult(coordinator);
  EXPECT_TRUE(IsDead(command));
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  // It goes on with the session.
  EXPECT_EQ(coordinator.hellos.back().session_id(), coordinator.sessions[0]);
  EXPECT_TRUE(coordinator.ended.empty());
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
  if (geteuid() != 0) GTEST_SKIP() << "it lets nobody but root look at its files";
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
  Configure(coordinator.address(), kMortal);
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
  Configure(coordinator.address(), kMortal);
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
  Configure(coordinator.address(), kMortal);
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  CommandOf(coordinator);
  const pid_t guardian = Guardian();
  kill(guardian, SIGSTOP);
  Kill();
  Start();
  AwaitResult(coordinator);
  kill(guardian, SIGCONT);
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
  EXPECT_EQ(coordinator.sessions.size(), 1u);
  EXPECT_TRUE(coordinator.ended.empty());
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
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(ExecutorProcessTest, ADrainThatSomebodyAsksForIsASigterm) {
  FakeCoordinator coordinator(absl::Seconds(2));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; while ! test -e '" + root_ + "/go'; do sleep 0.01; done"));
  CommandOf(coordinator);
  coordinator.Drain();
  coordinator.Await([&] { return coordinator.draining; });
  // Told again and again, which must not kill what runs.
  const int heartbeats = coordinator.heartbeats;
  coordinator.Await([&] { return coordinator.heartbeats >= heartbeats + 3; });
  std::ofstream(root_ + "/go") << "";
  EXPECT_EQ(WaitForExit(), 0);
  AwaitResult(coordinator);
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
  AwaitResult(coordinator);
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
