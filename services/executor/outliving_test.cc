// Commands that outlive their executor, as they see it themselves and as the coordinator does.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "services/clock/clock.h"
#include "services/executor/executor_process.h"
#include "services/executor/log_segment.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

class OutlivingTest : public ExecutorProcess {
 protected:
  OutlivingTest() { EXPECT_EQ(mkfifo((root_ + "/go").c_str(), 0600), 0); }

  // Lets the command read a line of it.
  void Go() const { std::ofstream(root_ + "/go") << "go\n"; }
  std::string AwaitGo() const { return "read line < '" + root_ + "/go'; "; }

  pid_t Supervisor() const {
    pid_t supervisor = 0;
    EXPECT_TRUE(Eventually([&] { return (supervisor = ChildNamed("cw-supervisor")) != 0; }));
    return supervisor;
  }

  static std::string OutputOf(FakeCoordinator& coordinator, LogStream stream) {
    std::string output;
    std::string_view rest = coordinator.records[Key(7, 1)];
    while (const auto record = TakeLogRecord(&rest)) {
      if (record->stream == stream) output += record->bytes;
    }
    return output;
  }

  // The lines "0" to "COUNT-1".
  static std::string Numbers(int count) {
    std::string lines;
    for (int number = 0; number < count; ++number) lines += std::to_string(number) + "\n";
    return lines;
  }
};

TEST_F(OutlivingTest, ACommandAndItsLogDoNotNoticeThatTheExecutorIsKilledAndStartedAgain) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(
      Job("echo $$; i=0; while test $i -lt 20000; do echo $i; echo $i >&2; i=$((i + 1)); done; " +
          AwaitGo() + "echo result > \"$CLOSEWRITE_OUTPUT_DIR/r\"; echo $$"));
  const pid_t command = CommandOf(coordinator);
  for (int kills = 0; kills < 3; ++kills) {
    Kill();
    EXPECT_FALSE(IsDead(command));
    Start();
    coordinator.Await([&] { return static_cast<int>(coordinator.hellos.size()) == kills + 2; });
  }
  Go();
  AwaitResult(coordinator);
  const v1::AttemptResult& result = coordinator.results[Key(7, 1)];
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED) << result.message();
  ASSERT_EQ(result.files_size(), 1);
  EXPECT_EQ(result.files(0).path(), "r");
  const std::string pid = std::to_string(command) + "\n";
  // Too long to be shown.
  EXPECT_TRUE(OutputOf(coordinator, LogStream::kStdout) == pid + Numbers(20000) + pid);
  EXPECT_TRUE(OutputOf(coordinator, LogStream::kStderr) == Numbers(20000));
  EXPECT_EQ(coordinator.sessions.size(), 1u);
  EXPECT_EQ(coordinator.hellos.back().session_id(), coordinator.sessions[0]);
  EXPECT_TRUE(coordinator.ended.empty());
  // What was settled is forgotten.
  EXPECT_TRUE(Eventually([&] { return fs::is_empty(root_ + "/state/attempts"); }));
  EXPECT_TRUE(fs::is_empty(root_ + "/state/logs"));
}

TEST_F(OutlivingTest, ItIsReportedAsRunningByTheNextExecutor) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  Kill();
  Start();
  coordinator.Await([&] {
    return coordinator.hellos.size() == 2 && coordinator.running[Key(7, 1)].pid() == command;
  });
  // It obeys, too.
  coordinator.Withdraw(7, 1);
  EXPECT_TRUE(Eventually([&] { return IsDead(command); }));
}

TEST_F(OutlivingTest, OneThatEndsMeanwhileIsConcludedByTheNextExecutor) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(
      Job("echo $$; " + AwaitGo() + "echo result > \"$CLOSEWRITE_OUTPUT_DIR/r\"; echo last >&2"));
  CommandOf(coordinator);
  const pid_t supervisor = Supervisor();
  Kill();
  Go();
  EXPECT_TRUE(Eventually([&] { return IsDead(supervisor); }));
  Start();
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(coordinator.results[Key(7, 1)].files_size(), 1);
  EXPECT_EQ(OutputOf(coordinator, LogStream::kStderr), "last\n");
  EXPECT_EQ(coordinator.sessions.size(), 1u);
}

TEST_F(OutlivingTest, OneWhoseSupervisorIsKilledMeanwhileIsLostAndDead) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("sleep 1000 & echo $!; wait"));
  const pid_t left_behind = CommandOf(coordinator);
  kill(Guardian(), SIGKILL);  // or it would be the one that looks after it
  const pid_t supervisor = Supervisor();
  Kill();
  kill(supervisor, SIGKILL);
  EXPECT_TRUE(Eventually([&] { return IsDead(supervisor); }));
  EXPECT_FALSE(IsDead(left_behind));
  Start();
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_TRUE(IsDead(left_behind));
}

TEST_F(OutlivingTest, ItIsKilledWhenItsSessionIsGone) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  Kill();
  coordinator.ExpireSession();
  Start();
  coordinator.Await([&] { return coordinator.sessions.size() == 2; });
  EXPECT_TRUE(Eventually([&] { return IsDead(command); }));
  EXPECT_TRUE(coordinator.results.empty());
}

// And then the guardian ends the session, before it would expire.
TEST_F(OutlivingTest, ItDiesAtItsLeasesEndWhenNoExecutorComesBack) {
  FakeCoordinator coordinator(absl::Seconds(6));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; trap '' TERM; sleep 1000 & setsid sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  coordinator.OnEndSession([&] { EXPECT_TRUE(IsDead(command)); });
  Kill();
  EXPECT_FALSE(IsDead(command));
  coordinator.Await([&] { return !coordinator.ended.empty(); });
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_KILLED);
}

TEST_F(OutlivingTest, TheOldGuardianStepsAsideForTheNextExecutor) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(Job("echo $$; exec sleep 1000"));
  const pid_t command = CommandOf(coordinator);
  const pid_t guardian = Guardian();
  Kill();
  Start();
  EXPECT_TRUE(Eventually([&] { return IsDead(guardian); }));
  EXPECT_FALSE(IsDead(command));
  EXPECT_TRUE(coordinator.ended.empty());
}

TEST_F(OutlivingTest, TwoExecutorsOnOneStateAreStillImpossible) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  AwaitSession();
  const pid_t first = executor_;
  Start();
  EXPECT_EQ(WaitForExit(), 2);
  EXPECT_NE(ReadFile(Errors()).find("is in use by another executor"), std::string::npos);
  executor_ = first;
}

// Both ways to say so, the older one last.
class StopTest : public OutlivingTest, public testing::WithParamInterface<const char*> {
 protected:
  // A command that runs until Go; its process.
  pid_t Run(FakeCoordinator& coordinator) {
    Configure(coordinator.address(), GetParam());
    Start();
    coordinator.Assign(Job("echo $$; " + AwaitGo() + "echo done"));
    return CommandOf(coordinator);
  }
};

INSTANTIATE_TEST_SUITE_P(Settings, StopTest,
                         testing::Values("on_stop: leave\n", "drain_timeout: 0s\n"),
                         [](const auto& it) { return it.index == 0 ? "OnStop" : "DrainTimeout"; });

TEST_P(StopTest, LeavesItToTheNextExecutor) {
  FakeCoordinator coordinator(absl::Seconds(30));
  const pid_t command = Run(coordinator);
  kill(executor_, SIGTERM);
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_FALSE(IsDead(command));
  EXPECT_NE(ReadFile(Errors()).find("commands go on"), std::string::npos);
  Start();
  coordinator.Await([&] { return coordinator.hellos.size() == 2; });
  Go();
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(OutputOf(coordinator, LogStream::kStdout), std::to_string(command) + "\ndone\n");
  EXPECT_TRUE(coordinator.ended.empty());
}

// `closewrite drain` left commands behind on hosts that are set up for upgrades.
TEST_P(StopTest, WaitsForItWhenTheCoordinatorHasSaidSo) {
  FakeCoordinator coordinator(absl::Seconds(10));
  Run(coordinator);
  coordinator.Drain();
  coordinator.Await([&] { return coordinator.draining; });
  Go();
  EXPECT_EQ(WaitForExit(), 0);
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_P(StopTest, LeavesItInTheMiddleOfADrain) {
  FakeCoordinator coordinator(absl::Seconds(10));
  const pid_t command = Run(coordinator);
  coordinator.Drain();
  coordinator.Await([&] { return coordinator.draining; });
  kill(executor_, SIGTERM);
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_FALSE(IsDead(command));
}

// The order came as a second stop signal, which kills.
TEST_F(OutlivingTest, AnOrderToDrainDoesNothingToADrainThatGoesOn) {
  FakeCoordinator coordinator(absl::Seconds(10));
  Configure(coordinator.address(), "drain_timeout: 1h\n");
  Start();
  coordinator.Assign(Job("echo $$; " + AwaitGo()));
  CommandOf(coordinator);
  kill(executor_, SIGTERM);
  coordinator.Await([&] { return coordinator.draining; });
  coordinator.Drain();
  int heard = 0;
  coordinator.Await([&] { return heard = coordinator.heartbeats; });
  // The order is in the answers to all that come from now on.
  coordinator.Await([&] { return coordinator.heartbeats > heard + 1; });
  Go();
  EXPECT_EQ(WaitForExit(), 0);
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(OutlivingTest, WhatWasToldToEndIsNotLeft) {
  FakeCoordinator coordinator(absl::Seconds(10));
  Configure(coordinator.address(), "on_stop: leave\ndrain_timeout: 10ms\n");
  Start();
  coordinator.Assign(Job("trap 'echo told' TERM; echo $$; while :; do sleep 0.01; done"));
  const pid_t command = CommandOf(coordinator);
  coordinator.Drain();
  coordinator.Await([&] { return absl::StrContains(coordinator.logs[Key(7, 1)], "told"); });
  kill(executor_, SIGTERM);
  EXPECT_EQ(WaitForExit(), 0);
  EXPECT_TRUE(IsDead(command));
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_KILLED);
}

TEST_F(OutlivingTest, ItsTimeoutIsKeptWhileThereIsNoExecutor) {
  FakeCoordinator coordinator(absl::Seconds(30));
  Configure(coordinator.address());
  Start();
  v1::Assignment job = Job("trap 'echo asked; exit 0' TERM; echo $$; sleep 1000 & wait");
  job.mutable_timeout()->set_seconds(1);
  coordinator.Assign(job);
  CommandOf(coordinator);
  const pid_t supervisor = Supervisor();
  Kill();
  EXPECT_TRUE(Eventually([&] { return IsDead(supervisor); }));
  Start();
  AwaitResult(coordinator);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_TIMED_OUT);
  EXPECT_NE(OutputOf(coordinator, LogStream::kStdout).find("asked"), std::string::npos);
}

// Two gigabytes while nobody takes anything; then what was kept is shipped.
TEST_F(OutlivingTest, ALogThatNobodyTakesIsBounded) {
  FakeCoordinator coordinator(absl::Minutes(10));
  Configure(coordinator.address());
  Start();
  coordinator.Assign(
      Job("echo $$; " + AwaitGo() + "echo first; head -c 2147483648 /dev/zero; echo; echo last"));
  CommandOf(coordinator);
  const pid_t supervisor = Supervisor();
  Kill();
  Go();
  uintmax_t most = 0;
  while (!IsDead(supervisor)) {
    uintmax_t size = 0;
    std::error_code gone;
    for (const auto& segment : fs::directory_iterator(root_ + "/state/logs/7-1", gone)) {
      const uintmax_t bytes = segment.file_size(gone);
      if (!gone) size += bytes;
    }
    most = std::max(most, size);
  }
  EXPECT_GT(most, uintmax_t{kLogSegmentBytesMax});
  // One more than is kept stands there for a moment, and the executor had claimed one.
  EXPECT_LE(most, static_cast<uintmax_t>(kLogSegmentBytesMax *
                                         (kLogHeadSegments + kLogTailSegments + 2)));
  Start();
  AwaitResult(coordinator);
  const std::string output = OutputOf(coordinator, LogStream::kStdout);
  const std::string note = OutputOf(coordinator, LogStream::kNote);
  int64_t left_out = 0;
  ASSERT_EQ(sscanf(note.c_str(), "[%ld bytes left out]\n", &left_out), 1) << note;
  const std::string pid = output.substr(0, output.find('\n') + 1);
  EXPECT_EQ(static_cast<int64_t>(output.size()) + left_out,
            static_cast<int64_t>(pid.size() + 6 + 2147483648 + 1 + 5));
  EXPECT_EQ(output.compare(pid.size(), 6, "first\n"), 0);
  EXPECT_EQ(output.substr(output.size() - 6), "\nlast\n");
}

}  // namespace
}  // namespace closewrite::executor
