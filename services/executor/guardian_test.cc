#include "services/executor/guardian.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/executor/fake_coordinator.h"
#include "services/executor/left_behind.h"
#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;
using Key = FakeCoordinator::Key;

constexpr char kSession[] = "session-of-the-dead";

v1::Assignment Job(int64_t id) {
  v1::Assignment job;
  job.mutable_lease()->set_job_id(id);
  job.mutable_lease()->set_token(1);
  job.set_pipeline("enrich");
  return job;
}

class GuardianTest : public testing::Test {
 protected:
  GuardianTest() {
    std::string name = testing::TempDir() + "/guardian.XXXXXX";
    root_ = mkdtemp(name.data());
    int sockets[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    executor_ = Fd(sockets[0]);
    guardians_ = Fd(sockets[1]);
    auto journal = Journal::Open(State(), absl::ZeroDuration());
    EXPECT_TRUE(journal.ok()) << journal.status();
    EXPECT_TRUE(journal->RecordSession(kSession).ok());
  }
  ~GuardianTest() override {
    executor_.Reset();
    if (thread_.joinable()) thread_.join();
    fs::remove_all(root_);
  }

  std::string State() const { return root_ + "/state"; }

  void StartGuardian(const std::string& coordinator) {
    channel_ = std::make_unique<CoordinatorChannel>(coordinator);
    Guardian::Options options;
    options.lifeline = guardians_.get();
    options.config.set_name("vm-c");
    options.config.set_host("vm-c");
    options.config.set_slots(1);
    options.config.set_state(State());
    options.config.set_commands_outlive(true);
    options.channel = channel_.get();
    guardian_ = std::make_unique<Guardian>(std::move(options));
    thread_ = std::thread([this] { end_ = guardian_->Run(); });
  }
  Guardian::End Finish() {
    thread_.join();
    return end_;
  }

  // A job whose supervisor lives as long as what this returns.
  Fd Leave(int64_t id, const SupervisorState& state) {
    const auto journal = Journal::Open(State(), absl::ZeroDuration());
    EXPECT_TRUE(journal->RecordStart(Job(id)).ok());
    return LeaveState(journal->FilesOf(Job(id).lease()), state);
  }

  std::string root_;
  Fd executor_;
  Fd guardians_;
  std::unique_ptr<CoordinatorChannel> channel_;
  std::unique_ptr<Guardian> guardian_;
  Guardian::End end_ = Guardian::End::kNotHeard;
  std::thread thread_;
};

TEST_F(GuardianTest, DismissedItSaysNothing) {
  FakeCoordinator coordinator(absl::Minutes(1));
  StartGuardian(coordinator.address());
  const LifelineRecord record = {.kind = LifelineRecord::kDismissed};
  ASSERT_EQ(send(executor_.get(), &record, sizeof record, 0), static_cast<ssize_t>(sizeof record));
  EXPECT_EQ(Finish(), Guardian::End::kDismissed);
  EXPECT_TRUE(coordinator.ended.empty());
}

TEST_F(GuardianTest, TheDeadAreReported) {
  FakeCoordinator coordinator(absl::Minutes(1));
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.ended, std::vector<std::string>{kSession});
  EXPECT_TRUE(coordinator.hellos.empty());  // there was nothing to tell
  EXPECT_EQ(Journal::Open(State(), absl::ZeroDuration())->Session(), "");
}

TEST_F(GuardianTest, WithoutASessionThereIsNothingToEnd) {
  FakeCoordinator coordinator(absl::Minutes(1));
  fs::remove_all(State());
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kNoSession);
  EXPECT_TRUE(coordinator.ended.empty());
  EXPECT_FALSE(fs::exists(State()));
}

TEST_F(GuardianTest, WhatWasLeftIsToldBeforeTheSessionEnds) {
  FakeCoordinator coordinator(absl::Minutes(1));
  coordinator.KnowSession(kSession);
  for (const int64_t id : {7, 8}) coordinator.Assign(Job(id));
  {
    const auto journal = Journal::Open(State(), absl::ZeroDuration());
    for (const int64_t id : {7, 8}) {
      ASSERT_TRUE(journal->RecordStart(Job(id)).ok());
      LeaveLog(journal->LogFolder(Job(id).lease()), "log of " + std::to_string(id) + "\n");
    }
    v1::AttemptResult result;
    *result.mutable_lease() = Job(8).lease();
    result.set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
    ASSERT_TRUE(journal->RecordResult(result).ok());
  }
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(coordinator.results[Key(8, 1)].outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(coordinator.logs[Key(7, 1)], "log of 7\n");
  EXPECT_EQ(coordinator.logs[Key(8, 1)], "log of 8\n");
  EXPECT_TRUE(coordinator.draining);
  EXPECT_EQ(coordinator.ended, std::vector<std::string>{kSession});
  EXPECT_TRUE(Journal::Open(State(), absl::ZeroDuration())->Left().empty());
}

TEST_F(GuardianTest, AnExpiredSessionIsNotRevived) {
  FakeCoordinator coordinator(absl::Minutes(1));
  ASSERT_TRUE(Journal::Open(State(), absl::ZeroDuration())->RecordStart(Job(7)).ok());
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.hellos.size(), 1u);
  EXPECT_TRUE(coordinator.sessions.empty());
}

// A process in a session of its own.
pid_t StartSession(std::vector<std::string> words) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(posix_spawnp(&pid, arguments[0], nullptr, &attributes, arguments.data(), environ), 0);
  posix_spawnattr_destroy(&attributes);
  return pid;
}

TEST_F(GuardianTest, WaitsForSupervisors) {
  FakeCoordinator coordinator(absl::Minutes(1));
  const pid_t process = StartSession({"sleep", "1000"});
  Fd supervisor = Leave(7, CommandIs(process));
  std::atomic<bool> gone = false;
  coordinator.OnEndSession([&] { EXPECT_TRUE(gone); });
  StartGuardian(coordinator.address());
  executor_.Reset();
  gone = true;
  supervisor.Reset();
  kill(process, SIGKILL);
  EXPECT_EQ(waitpid(process, nullptr, 0), process);
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
}

TEST_F(GuardianTest, KillsTheGroupOfASupervisorThatWasKilled) {
  FakeCoordinator coordinator(absl::Minutes(1));
  const pid_t command = StartSession({"sleep", "1000"});
  Leave(7, CommandIs(command));
  int status = 0;
  std::thread reaper([&] { EXPECT_EQ(waitpid(command, &status, 0), command); });
  coordinator.OnEndSession([&] { EXPECT_NE(kill(command, 0), 0); });
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  reaper.join();
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(GuardianTest, ASuccessIsLeftToTheNextExecutorForAsLongAsItsLeaseLasts) {
  FakeCoordinator coordinator(absl::Minutes(1));
  coordinator.KnowSession(kSession);
  coordinator.Assign(Job(7));
  SupervisorState state = EndedWith(0);
  const absl::Duration lease = SinceBoot() + absl::Seconds(1);
  state.lease_ns = absl::ToInt64Nanoseconds(lease);
  Leave(7, state);
  coordinator.OnEndSession([&] { EXPECT_GE(SinceBoot(), lease); });
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.results[Key(7, 1)].outcome(), v1::ATTEMPT_OUTCOME_LOST);
}

TEST_F(GuardianTest, AFailureIsToldAtOnce) {
  FakeCoordinator coordinator(absl::Minutes(1));
  coordinator.KnowSession(kSession);
  coordinator.Assign(Job(7));
  SupervisorState state = EndedWith(3);
  state.lease_ns = absl::ToInt64Nanoseconds(SinceBoot() + absl::Hours(1));
  Leave(7, state);
  StartGuardian(coordinator.address());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.results[Key(7, 1)].exit_code(), 3);
}

// Its request may come late, when another executor runs: that must not go on with the session.
TEST_F(GuardianTest, ASessionThatItSpokeForIsNotResumed) {
  auto first = std::make_unique<FakeCoordinator>(absl::Minutes(1));
  const std::string address = first->address();
  first.reset();
  StartGuardian(address);
  executor_.Reset();
  const auto tried = [&] {
    const auto journal = Journal::Open(State(), absl::Seconds(20));
    return journal.ok() && journal->SessionIsEnding();
  };
  while (!tried()) std::this_thread::yield();
}

TEST_F(GuardianTest, WhereANewExecutorRunsItStepsAside) {
  FakeCoordinator coordinator(absl::Minutes(1));
  StartGuardian(coordinator.address());
  const auto journal = Journal::Open(State(), absl::ZeroDuration());
  executor_.Reset();
  EXPECT_EQ(Finish(), Guardian::End::kTakenOver);
  EXPECT_TRUE(coordinator.ended.empty());
  EXPECT_EQ(journal->Session(), kSession);
}

TEST_F(GuardianTest, WhileNobodyHearsItANewExecutorCanStart) {
  auto first = std::make_unique<FakeCoordinator>(absl::Minutes(1));
  const std::string address = first->address();
  first.reset();
  StartGuardian(address);
  executor_.Reset();
  const auto journal = Journal::Open(State(), absl::Seconds(20));
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ(Finish(), Guardian::End::kTakenOver);
}

TEST_F(GuardianTest, ACoordinatorThatComesLaterHearsIt) {
  auto first = std::make_unique<FakeCoordinator>(absl::Minutes(1));
  const int port = first->port();
  const std::string address = first->address();
  first.reset();
  StartGuardian(address);
  executor_.Reset();
  FakeCoordinator coordinator(absl::Minutes(1), port);
  EXPECT_EQ(Finish(), Guardian::End::kEnded);
  EXPECT_EQ(coordinator.ended, std::vector<std::string>{kSession});
}

}  // namespace
}  // namespace closewrite::executor
