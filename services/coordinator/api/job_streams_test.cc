// WatchJobs, over real streams.
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

  grpc::ClientContext watch_context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobsResponse>> watch_;
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
  JobWatch watch(&loop_, {}, {});
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

}  // namespace
}  // namespace closewrite
