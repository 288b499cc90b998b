// WatchJobs and ReadLog, over real streams.
#include <memory>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/job_watch.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Code = grpc::StatusCode;

class JobStreamsTest : public ApiFixture {
 protected:
  JobStreamsTest() {
    ConnectWatcher();
    Apply(TestPipeline("enrich"));
  }

  void Watch(const v1::JobFilter& filter) {
    v1::WatchJobsRequest request;
    *request.mutable_filter() = filter;
    watch_ = jobs_->WatchJobs(&watch_context_, request);
  }
  // Reads up to the marker. Returns the ids.
  std::vector<int64_t> ReadSnapshot() {
    std::vector<int64_t> ids;
    v1::WatchJobsResponse response;
    while (watch_->Read(&response) && !response.snapshot_complete()) {
      ids.push_back(response.job().id());
    }
    EXPECT_TRUE(response.snapshot_complete());
    return ids;
  }
  v1::Job ReadJob() {
    v1::WatchJobsResponse response;
    EXPECT_TRUE(watch_->Read(&response));
    return response.job();
  }
  Code WatchError(const v1::JobFilter& filter) {
    grpc::ClientContext context;
    v1::WatchJobsRequest request;
    *request.mutable_filter() = filter;
    auto reader = jobs_->WatchJobs(&context, request);
    v1::WatchJobsResponse response;
    while (reader->Read(&response)) continue;
    return reader->Finish().error_code();
  }

  void OpenLog(const v1::ReadLogRequest& request) {
    log_context_ = std::make_unique<grpc::ClientContext>();
    log_ = jobs_->ReadLog(log_context_.get(), request);
  }
  // Reads until the stream ends, or until `text` has come.
  std::string ReadUntil(const std::string& text) {
    std::string read;
    v1::ReadLogResponse response;
    while (read.find(text) == std::string::npos && log_->Read(&response)) {
      EXPECT_LE(response.data().size(), static_cast<size_t>(256 << 10));
      read += response.data();
      token_ = response.token();
    }
    return read;
  }
  std::string ReadAll(const v1::ReadLogRequest& request) {
    OpenLog(request);
    const std::string log = ReadUntil(kNever);
    const grpc::Status status = log_->Finish();
    return status.ok() ? log : StrCat("error ", status.error_code());
  }
  static v1::ReadLogRequest Log(int64_t job, int64_t token, int64_t tail, bool follow) {
    v1::ReadLogRequest request;
    request.set_job_id(job);
    request.set_token(token);
    request.set_tail_lines(tail);
    request.set_follow(follow);
    return request;
  }

  inline static const std::string kNever = std::string("\0never", 6);
  grpc::ClientContext watch_context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobsResponse>> watch_;
  std::unique_ptr<grpc::ClientContext> log_context_;
  std::unique_ptr<grpc::ClientReader<v1::ReadLogResponse>> log_;
  int64_t token_ = 0;
};

TEST_F(JobStreamsTest, AWatchBringsWhatIsThereThenWhatChanges) {
  Announce("a.csv");
  Announce("b.csv");
  Watch({});
  EXPECT_EQ(ReadSnapshot(), (std::vector<int64_t>{2, 1}));
  Announce("c.csv");
  const v1::Job made = ReadJob();
  EXPECT_EQ(made.id(), 3);
  EXPECT_EQ(made.waiting().reason(), v1::WAITING_REASON_NO_EXECUTOR);
  OpenSession("e", 3);
  Tick();
  std::set<int64_t> running;
  for (int i = 0; i < 3; ++i) {
    const v1::Job job = ReadJob();
    if (job.state() == v1::JOB_STATE_RUNNING) running.insert(job.id());
  }
  EXPECT_EQ(running, (std::set<int64_t>{1, 2, 3}));
  watch_context_.TryCancel();
}

TEST_F(JobStreamsTest, ALongSnapshotComesInPages) {
  for (int i = 0; i < 600; ++i) Announce(StrCat(i, ".csv"));
  Watch({});
  EXPECT_EQ(ReadSnapshot().size(), 600u);
  watch_context_.TryCancel();
}

TEST_F(JobStreamsTest, AWatchKeepsToItsFilter) {
  Announce("a.csv");
  Announce("b.csv");
  v1::JobFilter filter;
  filter.add_job_ids(2);
  filter.add_states(v1::JOB_STATE_CANCELLED);
  Watch(filter);
  EXPECT_TRUE(ReadSnapshot().empty());
  for (const int64_t id : {1, 2}) {
    grpc::ClientContext context;
    auto request = WithId<v1::CancelJobsRequest>(StrCat("c", id));
    request.add_job_ids(id);
    v1::CancelJobsResponse response;
    ASSERT_TRUE(jobs_->CancelJobs(&context, request, &response).ok());
  }
  EXPECT_EQ(ReadJob().id(), 2);
  watch_context_.TryCancel();
}

TEST_F(JobStreamsTest, AWatchOfAJobThatIsNotThereIsNotFound) {
  v1::JobFilter filter;
  filter.add_job_ids(99);
  EXPECT_EQ(WatchError(filter), Code::NOT_FOUND);
  filter.Clear();
  filter.set_input_path("a.csv");
  EXPECT_EQ(WatchError(filter), Code::INVALID_ARGUMENT);
}

TEST_F(JobStreamsTest, ShutdownEndsStreamsWithUnavailable) {
  Announce("a.csv");
  Watch({});
  EXPECT_EQ(ReadSnapshot().size(), 1u);
  job_service_.Shutdown();
  v1::WatchJobsResponse response;
  EXPECT_FALSE(watch_->Read(&response));
  EXPECT_EQ(watch_->Finish().error_code(), Code::UNAVAILABLE);
  EXPECT_EQ(WatchError({}), Code::UNAVAILABLE);
  job_service_.Shutdown();
}

TEST_F(JobStreamsTest, ACancelledWatchLeavesNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    auto reader = jobs_->WatchJobs(&context, {});
    v1::WatchJobsResponse response;
    ASSERT_TRUE(reader->Read(&response));
    Announce("a.csv");
    context.TryCancel();
    while (reader->Read(&response)) continue;
    EXPECT_EQ(reader->Finish().error_code(), Code::CANCELLED);
  }
}

TEST_F(JobStreamsTest, AReaderThatIsTooSlowIsTold) {
  Announce("a.csv");
  JobWatch watch(&loop_, {});
  ASSERT_TRUE(watch.Next().ok());  // the snapshot
  Effects effects;
  for (size_t i = 1; i <= kWatchedJobsMax; ++i) {
    const JobId id{static_cast<int64_t>(i)};
    effects.jobs[id] = Job{.id = id};
  }
  EXPECT_TRUE(watch.OnChange(effects));
  EXPECT_FALSE(watch.OnChange(effects));  // the same jobs wait already
  EXPECT_TRUE(watch.Next().ok());
  for (int64_t id : {1'000'001, 1'000'002}) effects.jobs[JobId{id}] = Job{.id = JobId{id}};
  EXPECT_TRUE(watch.OnChange(effects));
  EXPECT_EQ(watch.Next().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(JobStreamsTest, ALogIsReadInPagesAndByItsTail) {
  const SessionId session = OpenSession("e", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  std::string log;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&log, "line ", i, "\n");
  ReportLog(session, lease, 0, log);
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), log);
  EXPECT_EQ(token_, 1);
  EXPECT_EQ(ReadAll(Log(1, 1, 2, false)), "line 99998\nline 99999\n");
  const std::string tail = ReadAll(Log(1, 1, 50'000, false));
  EXPECT_EQ(tail, log.substr(log.find("line 50000\n")));
}

TEST_F(JobStreamsTest, ALogThatIsNotThereIsNotFound) {
  Announce("a.csv");
  EXPECT_EQ(ReadAll(Log(1, 0, 0, false)), "");  // not yet run
  EXPECT_EQ(ReadAll(Log(9, 0, 0, false)), "error 5");
  EXPECT_EQ(ReadAll(Log(9, 0, 0, true)), "error 5");
  EXPECT_EQ(ReadAll(Log(1, 3, 0, false)), "error 5");
  EXPECT_EQ(ReadAll(Log(1, 0, -1, false)), "error 3");
  EXPECT_EQ(ReadAll(Log(1, -1, 0, false)), "error 3");
}

TEST_F(JobStreamsTest, FollowingGoesOnOverAttemptsUntilTheJobIsFinished) {
  Announce("a.csv");
  OpenLog(Log(1, 0, 0, true));  // before anything runs
  const SessionId session = OpenSession("e", 1);
  Tick();
  const Lease first{JobId{1}, FencingToken{1}};
  ReportLog(session, first, 0, "one\n");
  EXPECT_EQ(ReadUntil("one\n"), "one\n");
  ReportLog(session, first, 4, "failing\n");
  ReportEnd(session, first, Outcome::kFailed, 1);
  EXPECT_EQ(ReadUntil("failing\n"), "failing\n");
  EXPECT_EQ(token_, 1);
  clock_.Advance(absl::Seconds(5));
  Tick();
  const Lease second{JobId{1}, FencingToken{2}};
  ReportLog(session, second, 0, "two\n");
  EXPECT_EQ(ReadUntil("two\n"), "two\n");
  EXPECT_EQ(token_, 2);
  ReportLog(session, second, 4, "done\n");
  ReportEnd(session, second, Outcome::kSucceeded, 0, {{"a.csv", 3, std::string(32, 's')}});
  Publish(second);
  EXPECT_EQ(ReadUntil(kNever), "done\n");
  EXPECT_TRUE(log_->Finish().ok());

  // From an earlier attempt on, and by its tail.
  EXPECT_EQ(ReadAll(Log(1, 1, 1, true)), "failing\ntwo\ndone\n");
  EXPECT_EQ(ReadAll(Log(1, 1, 0, false)), "one\nfailing\n");
  EXPECT_EQ(ReadAll(Log(1, 0, 0, true)), "two\ndone\n");
}

}  // namespace
}  // namespace closewrite
