#include "services/executor/attempt_table.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/executor/left_behind.h"
#include "services/executor/supervisor_image.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

class AttemptTableTest : public testing::Test {
 protected:
  AttemptTableTest() : image_(*OpenSupervisorImage()) {
    std::string name = testing::TempDir() + "/table.XXXXXX";
    root_ = mkdtemp(name.data());
    journal_ = std::make_unique<Journal>(*Journal::Open(root_ + "/state", absl::ZeroDuration()));
    lease_ = SinceBoot() + absl::Minutes(10);
    Make(2);
  }

  void Make(int slots) {
    AttemptTable::Options options;
    options.slots = slots;
    options.context.journal = journal_.get();
    options.context.volumes = volumes_;
    options.context.supervisor_image = image_.get();
    options.wake = [this] { bell_.Ring(); };
    table_ = std::make_unique<AttemptTable>(std::move(options));
  }

  static v1::LeaseRef Lease(int64_t job, int64_t token = 1) {
    v1::LeaseRef lease;
    lease.set_job_id(job);
    lease.set_token(token);
    return lease;
  }

  static v1::Assignment Job(int64_t job, const std::string& script) {
    v1::Assignment assignment;
    *assignment.mutable_lease() = Lease(job);
    for (const char* part : {"sh", "-c"}) assignment.add_command(part);
    assignment.add_command(script);
    *assignment.mutable_kill_after() = ToProto(absl::Seconds(20));
    return assignment;
  }

  void Accept(const v1::Assignment& job) { table_->Accept(job, lease_, SinceBoot()); }

  void WaitForEnds(int unsettled) {
    while (table_->unsettled() < unsettled) bell_.Wait(absl::Minutes(1));
  }

  v1::AttendRequest Fill(bool heartbeat) {
    v1::AttendRequest request;
    more_ = table_->Fill(heartbeat, &request);
    return request;
  }

  static google::protobuf::RepeatedPtrField<v1::LeaseRef> List(
      const std::vector<v1::LeaseRef>& leases) {
    return {leases.begin(), leases.end()};
  }

  void Acknowledge(int64_t job, int64_t length) {
    google::protobuf::RepeatedPtrField<v1::LogAck> acks;
    *acks.Add()->mutable_lease() = Lease(job);
    acks.Mutable(0)->set_length(length);
    table_->AcknowledgeLogs(acks);
  }

  Fd image_;
  Bell bell_;
  std::string root_;
  LocalVolumes volumes_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<AttemptTable> table_;
  absl::Duration lease_;
  bool more_ = false;
};

TEST_F(AttemptTableTest, AResultIsSentOnceAndWithEachHeartbeatUntilItIsSettled) {
  Accept(Job(1, "echo hi; exit 3"));
  WaitForEnds(1);
  v1::AttendRequest request = Fill(false);
  ASSERT_EQ(request.logs_size(), 1);
  EXPECT_EQ(LogText(request.logs(0).data()), "hi\n");
  const auto log_bytes = static_cast<int64_t>(request.logs(0).data().size());
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).exit_code(), 3);
  EXPECT_EQ(Fill(false).results_size(), 0);
  request = Fill(true);
  EXPECT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.logs_size(), 0);
  Acknowledge(1, log_bytes);
  table_->Settle(List({Lease(1)}));
  EXPECT_EQ(Fill(true).results_size(), 0);
  EXPECT_EQ(table_->unsettled(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/attempts"));
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/logs"));
}

TEST_F(AttemptTableTest, ANewStreamHearsAllThatIsNotAcknowledged) {
  ASSERT_EQ(mkfifo((root_ + "/go").c_str(), 0600), 0);
  Accept(Job(1, "echo hello; read line < '" + root_ + "/go'; echo again"));
  std::string first;
  while (first.empty()) {
    bell_.Wait(absl::Minutes(1));
    table_->TakeOutput();
    const v1::AttendRequest request = Fill(false);
    for (const v1::LogChunk& chunk : request.logs()) first += chunk.data();
  }
  std::ofstream(root_ + "/go") << "\n";
  WaitForEnds(1);
  Acknowledge(1, static_cast<int64_t>(first.size()));
  table_->StartStream();
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.logs_size(), 1);
  EXPECT_EQ(request.logs(0).offset(), first.size());
  EXPECT_EQ(LogText(request.logs(0).data()), "again\n");
  EXPECT_EQ(request.results_size(), 1);
}

TEST_F(AttemptTableTest, AHeartbeatCarriesAllThatRuns) {
  Accept(Job(1, "sleep 1000"));
  Accept(Job(2, "sleep 1000"));
  EXPECT_EQ(Fill(true).running_size(), 2);
  EXPECT_EQ(Fill(true).running_size(), 2);
  EXPECT_EQ(table_->Describe().size(), 2);
}

TEST_F(AttemptTableTest, RepeatedAssignmentsAreNotRunAgain) {
  Accept(Job(1, "exit 0"));
  Accept(Job(1, "exit 0"));
  WaitForEnds(1);
  Accept(Job(1, "exit 0"));
  table_->Settle(List({Lease(1)}));
  Accept(Job(1, "exit 0"));
  EXPECT_EQ(Fill(true).running_size(), 0);
  EXPECT_EQ(Fill(true).results_size(), 0);
}

TEST_F(AttemptTableTest, WhatIsBeyondTheSlotsIsHandedBack) {
  for (int64_t job = 1; job <= 3; ++job) Accept(Job(job, "sleep 1000"));
  const v1::AttendRequest request = Fill(true);
  EXPECT_EQ(request.running_size(), 2);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).lease().job_id(), 3);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
}

TEST_F(AttemptTableTest, AnAssignmentAfterItsLeaseIsNotRun) {
  table_->Accept(Job(1, "exit 0"), lease_, lease_);
  EXPECT_EQ(table_->running() + table_->unsettled(), 0);
}

TEST_F(AttemptTableTest, WhatIsNotHeldIsKilledAndReported) {
  Accept(Job(1, "sleep 1000"));
  Accept(Job(2, "sleep 1000"));
  table_->KeepOnly(List({Lease(2)}), {});
  WaitForEnds(1);
  const v1::AttendRequest request = Fill(true);
  EXPECT_EQ(request.running_size(), 1);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).lease().job_id(), 1);
}

TEST_F(AttemptTableTest, WhatIsCancelledIsToldToEnd) {
  v1::Assignment job =
      Job(1, "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  *job.mutable_kill_after() = ToProto(absl::Minutes(1));
  Accept(job);
  std::string log;
  const auto read_until = [&](const std::string& text) {
    while (LogText(log).find(text) == std::string::npos) {
      bell_.Wait(absl::Minutes(1));
      table_->TakeOutput();
      const v1::AttendRequest request = Fill(false);
      for (const v1::LogChunk& chunk : request.logs()) log += chunk.data();
    }
  };
  read_until("ready");
  for (int times = 0; times < 2; ++times) table_->KeepOnly({}, List({Lease(1)}));
  read_until("told");
  WaitForEnds(1);
  Acknowledge(1, static_cast<int64_t>(log.size()));
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_EQ(request.results(0).message(), "its job was cancelled");
}

TEST_F(AttemptTableTest, AnotherTokenIsAnotherLease) {
  Accept(Job(1, "sleep 1000"));
  table_->KeepOnly(List({Lease(1, 2)}), {});
  WaitForEnds(1);
  v1::Assignment again = Job(1, "exit 0");
  again.mutable_lease()->set_token(2);
  Accept(again);
  WaitForEnds(2);
  EXPECT_EQ(Fill(true).results_size(), 2);
}

TEST_F(AttemptTableTest, AForgottenSessionIsNotReported) {
  Accept(Job(1, "sleep 1000"));
  Accept(Job(2, "exit 0"));
  WaitForEnds(1);
  table_->ForgetAll();
  const v1::AttendRequest request = Fill(true);
  EXPECT_EQ(request.running_size() + request.results_size(), 0);
  while (!table_->Reap()) bell_.Wait(absl::Minutes(1));
  EXPECT_EQ(table_->running(), 0);
  EXPECT_EQ(Fill(true).logs_size(), 0);
  EXPECT_TRUE(table_->Reap());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/attempts"));
}

TEST_F(AttemptTableTest, WhatAForgottenSessionHasWrittenIsStillToldToTheNext) {
  Accept(Job(1, "echo one; exec sleep 1000"));
  std::string log;
  while (LogText(log).empty()) {
    bell_.Wait(absl::Minutes(1));
    table_->TakeOutput();
    const v1::AttendRequest request = Fill(false);
    for (const v1::LogChunk& chunk : request.logs()) log += chunk.data();
  }
  table_->ForgetAll();
  while (!table_->Reap()) bell_.Wait(absl::Minutes(1));
  EXPECT_FALSE(std::filesystem::is_empty(root_ + "/state/attempts"));
  table_->StartStream();
  const v1::AttendRequest request = Fill(true);
  EXPECT_EQ(request.running_size() + request.results_size(), 0);
  ASSERT_EQ(request.logs_size(), 1);
  EXPECT_EQ(LogText(request.logs(0).data()), "one\n");
  Acknowledge(1, static_cast<int64_t>(log.size()));
  EXPECT_TRUE(table_->Reap());
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/attempts"));
}

TEST_F(AttemptTableTest, ALongLogGoesInPiecesWithinItsWindowAndBeforeTheResult) {
  constexpr int64_t kBytes = 9 << 20;
  Accept(Job(1, "head -c 9437184 /dev/zero"));
  WaitForEnds(1);
  int64_t sent = 0;
  int64_t printed = 0;
  int64_t acknowledged = 0;
  bool result = false;
  for (int messages = 0; messages < 100 && !result; ++messages) {
    const v1::AttendRequest request = Fill(messages % 2 == 0);
    for (const v1::LogChunk& chunk : request.logs()) {
      EXPECT_EQ(chunk.offset(), sent);
      EXPECT_LE(chunk.data().size(), kChunkBytesMax);
      sent += static_cast<int64_t>(chunk.data().size());
      EXPECT_EQ(WholeLogRecords(chunk.data()), chunk.data().size());
      printed += static_cast<int64_t>(LogText(chunk.data()).size());
    }
    EXPECT_LE(sent - acknowledged, kAttemptWindowBytes);
    result = request.results_size() > 0;
    EXPECT_EQ(result, printed == kBytes);
    EXPECT_LT(request.ByteSizeLong(), 8 << 20);
    if (!more_) Acknowledge(1, acknowledged = sent);
  }
  EXPECT_TRUE(result);
}

TEST_F(AttemptTableTest, ADrainHandsBackWhatComes) {
  Accept(Job(1, "sleep 1000"));
  while (Fill(false).running_size() == 0) bell_.Wait(absl::Minutes(1));
  table_->Drain();
  Accept(Job(2, "sleep 1000"));
  EXPECT_EQ(table_->running(), 1);
  const v1::AttendRequest request = Fill(false);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).lease().job_id(), 2);
}

TEST_F(AttemptTableTest, WhatWasCancelledOnItsWayIsNotStarted) {
  v1::Assignment cancelled = Job(1, "x");
  cancelled.set_cancelled(true);
  Accept(cancelled);
  EXPECT_EQ(table_->running(), 0);
  const v1::AttendRequest request = Fill(false);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
}

TEST_F(AttemptTableTest, WhatAnEarlierRunLeftIsReported) {
  v1::Assignment started = Job(1, "x");
  ASSERT_TRUE(journal_->RecordStart(started).ok());
  LeaveLog(journal_->LogFolder(started.lease()), "half a li");
  v1::Assignment done = Job(2, "x");
  ASSERT_TRUE(journal_->RecordStart(done).ok());
  v1::AttemptResult result;
  *result.mutable_lease() = done.lease();
  result.set_outcome(v1::ATTEMPT_OUTCOME_SUCCEEDED);
  ASSERT_TRUE(journal_->RecordResult(result).ok());
  table_->TakeUp(journal_->TakeUp());
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.results_size(), 2);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(request.results(1).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  ASSERT_EQ(request.logs_size(), 1);
  EXPECT_EQ(LogText(request.logs(0).data()), "half a li");
}

TEST_F(AttemptTableTest, WhatHasEndedMeanwhileIsConcluded) {
  std::filesystem::create_directory(root_ + "/out");
  volumes_["out"] = {.root = root_ + "/out"};
  Make(2);
  v1::Assignment job = Job(1, "x");
  job.set_output_volume("out");
  ASSERT_TRUE(journal_->RecordStart(job).ok());
  const std::string staged = root_ + "/out/.closewrite/staging/1/1/result";
  std::filesystem::create_directories(std::filesystem::path(staged).parent_path());
  std::ofstream(staged) << "result";
  LeaveState(journal_->FilesOf(job.lease()), EndedWith(0));
  table_->TakeUp(journal_->TakeUp());
  WaitForEnds(1);
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  ASSERT_EQ(request.results(0).files_size(), 1);
  EXPECT_EQ(request.results(0).files(0).path(), "result");
  table_->Settle(List({Lease(1)}));
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/state/attempts"));
}

TEST_F(AttemptTableTest, ASuccessBeforeAPowerCutIsLost) {
  const v1::Assignment job = Job(1, "x");
  ASSERT_TRUE(journal_->RecordStart(job).ok());
  SupervisorState state = EndedWith(0);
  const Fd file = LeaveState(journal_->FilesOf(job.lease()), state);
  state.boot[0] = 'x';
  ASSERT_EQ(pwrite(file.get(), &state, sizeof state, 0), static_cast<ssize_t>(sizeof state));
  table_->TakeUp(journal_->TakeUp());
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.results_size(), 1);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_LOST);
}

TEST_F(AttemptTableTest, WhoCantConcludeASuccessCallsItLost) {
  for (const int exit_code : {0, 3}) {
    const v1::Assignment job = Job(exit_code + 1, "x");
    ASSERT_TRUE(journal_->RecordStart(job).ok());
    LeaveState(journal_->FilesOf(job.lease()), EndedWith(exit_code));
  }
  table_->TakeUpDead(journal_->Left());
  const v1::AttendRequest request = Fill(true);
  ASSERT_EQ(request.results_size(), 2);
  EXPECT_EQ(request.results(0).outcome(), v1::ATTEMPT_OUTCOME_LOST);
  EXPECT_EQ(request.results(1).outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(request.results(1).exit_code(), 3);
}

// Its result may have been reported, and be what the journal forgot first.
TEST_F(AttemptTableTest, WhatAnEarlierRunStagedIsLeftToThePublisher) {
  const std::string staged = root_ + "/out/.closewrite/staging/1/1/result";
  std::filesystem::create_directories(std::filesystem::path(staged).parent_path());
  std::ofstream(staged) << "result";
  volumes_["out"] = {.root = root_ + "/out"};
  Make(2);
  v1::Assignment started = Job(1, "x");
  started.set_output_volume("out");
  ASSERT_TRUE(journal_->RecordStart(started).ok());
  table_->TakeUp(journal_->TakeUp());
  EXPECT_EQ(Fill(true).results_size(), 1);
  table_->Settle(List({Lease(1)}));
  table_.reset();
  EXPECT_TRUE(std::filesystem::exists(staged));
}

}  // namespace
}  // namespace closewrite::executor
