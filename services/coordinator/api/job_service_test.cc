#include "services/coordinator/api/job_service.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"
#include "services/coordinator/api/page_token.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite {
namespace {

using Code = grpc::StatusCode;

class JobServiceTest : public ApiFixture {
 protected:
  template <class Request, class Response>
  using Method = grpc::Status (v1::JobService::Stub::*)(grpc::ClientContext*, const Request&,
                                                        Response*);
  template <class Request, class Response>
  grpc::Status Call(Method<Request, Response> method, const Request& request, Response* response) {
    grpc::ClientContext context;
    return (jobs_.get()->*method)(&context, request, response);
  }

  grpc::Status Submit(const v1::SubmitJobsRequest& request) {
    return Call(&v1::JobService::Stub::SubmitJobs, request, &submitted_);
  }
  static v1::SubmitJobsRequest SubmitOf(const std::string& id, const std::string& path) {
    auto request = WithId<v1::SubmitJobsRequest>(id);
    request.add_files()->set_volume("unenriched");
    request.mutable_files(0)->set_path(path);
    return request;
  }
  grpc::Status Cancel(const std::string& id, const std::vector<int64_t>& job_ids) {
    auto request = WithId<v1::CancelJobsRequest>(id);
    for (const int64_t job : job_ids) request.add_job_ids(job);
    request.set_reason("not needed");
    return Call(&v1::JobService::Stub::CancelJobs, request, &cancelled_);
  }
  grpc::Status Retry(const std::string& id, const std::vector<int64_t>& job_ids, bool redrive) {
    auto request = WithId<v1::RetryJobsRequest>(id);
    for (const int64_t job : job_ids) request.add_job_ids(job);
    request.set_redrive(redrive);
    return Call(&v1::JobService::Stub::RetryJobs, request, &retried_);
  }
  grpc::Status List(const v1::ListJobsRequest& request) {
    listed_.Clear();
    return Call(&v1::JobService::Stub::ListJobs, request, &listed_);
  }
  grpc::Status Explain(const v1::ExplainRequest& request) {
    return Call(&v1::JobService::Stub::Explain, request, &explained_);
  }

  v1::SubmitJobsResponse submitted_;
  v1::CancelJobsResponse cancelled_;
  v1::RetryJobsResponse retried_;
  v1::ListJobsResponse listed_;
  v1::ExplainResponse explained_;
};

TEST_F(JobServiceTest, ListsByTimeNameAndHost) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  OpenSession("e1", 1);
  Announce("old/a.csv");  // runs on vm-c
  clock_.Advance(absl::Minutes(5));
  Announce("new/b.csv");
  Announce("new/c.csv");
  const auto ids = [&](const v1::JobFilter& filter, int page_size) {
    v1::ListJobsRequest request;
    *request.mutable_filter() = filter;
    request.set_page_size(page_size);
    std::vector<int64_t> found;
    for (int pages = 0; pages < 5; ++pages) {
      EXPECT_TRUE(List(request).ok());
      for (const v1::Job& job : listed_.jobs()) found.push_back(job.id());
      request.set_page_token(listed_.next_page_token());
      if (listed_.next_page_token().empty()) break;
    }
    return found;
  };
  using Ids = std::vector<int64_t>;
  for (const int page_size : {1, 100}) {
    v1::JobFilter filter;
    filter.set_match("new/*");
    EXPECT_EQ(ids(filter, page_size), (Ids{3, 2}));
    filter.set_match("*/a.csv");
    EXPECT_EQ(ids(filter, page_size), (Ids{1}));
    filter.Clear();
    filter.set_host("vm-c");
    EXPECT_EQ(ids(filter, page_size), (Ids{1}));
    filter.Clear();
    filter.mutable_since()->set_seconds(kTestStartSeconds + 1);
    EXPECT_EQ(ids(filter, page_size), (Ids{3, 2}));
    filter.set_match("**/c.csv");
    EXPECT_EQ(ids(filter, page_size), (Ids{3}));
  }
  v1::ListJobsRequest wrong;
  wrong.mutable_filter()->set_match("[");
  const grpc::Status refused = List(wrong);
  EXPECT_EQ(refused.error_code(), Code::INVALID_ARGUMENT);
  EXPECT_NE(refused.error_message().find("filter.match"), std::string::npos)
      << refused.error_message();
}

TEST_F(JobServiceTest, SubmitsAgainWhatHasHadItsJob) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.csv");
  v1::SubmitJobsRequest request = SubmitOf("r1", "a.csv");
  request.set_again(true);
  EXPECT_EQ(Submit(request).error_code(), Code::INVALID_ARGUMENT);
  request.set_pipeline("enrich");
  // While its job waits there is nothing to be done again.
  ASSERT_TRUE(Submit(request).ok());
  EXPECT_EQ(submitted_.jobs(0).id(), 1);
  const SessionId session = OpenSession("e1", 1);
  ReportEnd(session, {JobId{1}, FencingToken{1}}, Outcome::kSucceeded, 0);
  request.set_request_id("r2");
  ASSERT_TRUE(Submit(request).ok());
  EXPECT_EQ(submitted_.jobs(0).id(), 2);
  EXPECT_EQ(submitted_.existing_job_ids_size(), 0);
  // The same version, once more, and not by itself: a rescan makes none.
  ReportEnd(session, {JobId{2}, FencingToken{1}}, Outcome::kSucceeded, 0);
  clock_.Advance(absl::Seconds(1));
  request.set_request_id("r3");
  ASSERT_TRUE(Submit(request).ok());
  EXPECT_EQ(submitted_.jobs(0).id(), 3);
  Remove("a.csv");
  request.set_request_id("r4");
  EXPECT_EQ(Submit(request).error_code(), Code::NOT_FOUND);
}

TEST_F(JobServiceTest, WhatIsAskedForAgainWaitsForTheJobThatRuns) {
  ConnectWatcher();
  v1::Pipeline supersedes = TestPipeline("enrich");
  supersedes.mutable_on()->set_on_new_version(v1::ON_NEW_VERSION_SUPERSEDE);
  Apply(supersedes);
  OpenSession("e1", 2);
  Announce("a.csv");
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_RUNNING);
  v1::SubmitJobsRequest request = SubmitOf("r1", "a.csv");
  request.set_pipeline("enrich");
  request.set_again(true);
  ASSERT_TRUE(Submit(request).ok());
  EXPECT_EQ(submitted_.jobs(0).id(), 2);
  EXPECT_EQ(submitted_.jobs(0).waiting().reason(), v1::WAITING_REASON_EARLIER_VERSION);
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(Get(1).cancelling());
}

TEST_F(JobServiceTest, SubmitMakesAJobOfAnAnnouncedFileOnce) {
  ConnectWatcher();
  Announce("a.csv");  // before there was a pipeline
  Apply(TestPipeline("enrich"));
  ASSERT_TRUE(Submit(SubmitOf("r1", "a.csv")).ok());
  ASSERT_EQ(submitted_.jobs_size(), 1);
  EXPECT_EQ(submitted_.jobs(0).pipeline(), "enrich");
  EXPECT_EQ(submitted_.jobs(0).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(submitted_.jobs(0).waiting().reason(), v1::WAITING_REASON_NO_EXECUTOR);
  EXPECT_EQ(submitted_.existing_job_ids_size(), 0);

  // The same request again gives the same answer, another one the same job.
  const v1::SubmitJobsResponse first = submitted_;
  ASSERT_TRUE(Submit(SubmitOf("r1", "a.csv")).ok());
  EXPECT_EQ(submitted_.SerializeAsString(), first.SerializeAsString());
  ASSERT_TRUE(Submit(SubmitOf("r2", "a.csv")).ok());
  EXPECT_EQ(submitted_.jobs(0).id(), first.jobs(0).id());
  EXPECT_EQ(submitted_.existing_job_ids(0), first.jobs(0).id());
}

TEST_F(JobServiceTest, SubmitRefusesWhatItCannotDo) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.txt");
  EXPECT_EQ(Submit(WithId<v1::SubmitJobsRequest>("r")).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Submit(SubmitOf("r", "../a.csv")).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Submit(SubmitOf("", "a.txt")).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Submit(SubmitOf(std::string(129, 'x'), "a.txt")).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Submit(SubmitOf("r", "unseen.csv")).error_code(), Code::NOT_FOUND);
  EXPECT_EQ(Submit(SubmitOf("r", "a.txt")).error_code(), Code::FAILED_PRECONDITION);
  v1::SubmitJobsRequest many = SubmitOf("r", "a.txt");
  for (int i = 0; i < 1000; ++i) *many.add_files() = many.files(0);
  EXPECT_EQ(Submit(many).error_code(), Code::INVALID_ARGUMENT);

  v1::SubmitJobsRequest misspelt = SubmitOf("r", "a.txt");
  misspelt.set_pipeline("enrcih");
  const grpc::Status status = Submit(misspelt);
  EXPECT_EQ(status.error_code(), Code::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "there is no pipeline \"enrcih\": did you mean \"enrich\"?");
  EXPECT_EQ(Reason(FromGrpc(status)), "PIPELINE_NOT_FOUND");

  // A request that was refused has changed nothing, so its id is free.
  misspelt.set_pipeline("enrich");
  EXPECT_TRUE(Submit(misspelt).ok());
}

TEST_F(JobServiceTest, AFailedCommitIsToldAndRecordsNothing) {
  ConnectWatcher();
  Announce("a.csv");
  Apply(TestPipeline("enrich"));
  // The loop's own tick may take the fault away; then another request meets the next one.
  std::string id = "r";
  grpc::Status status = grpc::Status::OK;
  for (int tries = 0; tries < 5 && status.ok(); ++tries) {
    id += "r";
    store_.FailNextCommit(absl::ResourceExhaustedError("the disk is full"));
    status = Submit(SubmitOf(id, "a.csv"));
  }
  EXPECT_EQ(status.error_code(), Code::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(Submit(SubmitOf(id, "a.csv")).ok());
  EXPECT_EQ(submitted_.jobs_size(), 1);
}

TEST_F(JobServiceTest, GetShowsAttemptsAndProgress) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  const SessionId session = OpenSession("e", 1);
  Announce("a.csv");
  const Lease lease{JobId{1}, FencingToken{1}};
  Report({.session = session,
          .running = {{.lease = lease, .pid = 99, .progress = {40, 100, "rows"}}}});
  v1::GetJobRequest request;
  request.set_job_id(1);
  v1::GetJobResponse response;
  ASSERT_TRUE(Call(&v1::JobService::Stub::GetJob, request, &response).ok());
  EXPECT_EQ(response.job().state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(response.job().progress().done(), 40);
  EXPECT_EQ(response.job().executor(), "e");
  EXPECT_FALSE(response.job().has_waiting());
  ASSERT_EQ(response.attempts_size(), 1);
  EXPECT_EQ(response.attempts(0).pid(), 99);

  request.set_job_id(2);
  const grpc::Status status = Call(&v1::JobService::Stub::GetJob, request, &response);
  EXPECT_EQ(status.error_code(), Code::NOT_FOUND);
  EXPECT_EQ(Reason(FromGrpc(status)), "JOB_NOT_FOUND");
}

TEST_F(JobServiceTest, ListsInPagesNewestFirst) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  for (int i = 0; i < 5; ++i) Announce(StrCat("f", i, ".csv"));
  v1::ListJobsRequest request;
  request.set_page_size(2);
  std::vector<int64_t> ids;
  do {
    ASSERT_TRUE(List(request).ok());
    EXPECT_LE(listed_.jobs_size(), 2);
    for (const v1::Job& job : listed_.jobs()) ids.push_back(job.id());
    request.set_page_token(listed_.next_page_token());
  } while (!request.page_token().empty() && ids.size() < 10);
  EXPECT_EQ(ids, (std::vector<int64_t>{5, 4, 3, 2, 1}));

  request.Clear();
  request.mutable_filter()->set_input_volume("unenriched");
  request.mutable_filter()->set_input_path("f3.csv");
  request.mutable_filter()->add_states(v1::JOB_STATE_AVAILABLE);
  ASSERT_TRUE(List(request).ok());
  ASSERT_EQ(listed_.jobs_size(), 1);
  EXPECT_EQ(listed_.jobs(0).id(), 4);
}

TEST_F(JobServiceTest, ListRefusesWrongFiltersAndTokens) {
  const auto refused = [&](const std::function<void(v1::ListJobsRequest&)>& spoil) {
    v1::ListJobsRequest request;
    spoil(request);
    return List(request).error_code() == Code::INVALID_ARGUMENT;
  };
  EXPECT_TRUE(refused([](auto& r) { r.mutable_filter()->set_input_path("a.csv"); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_filter()->set_input_volume("a/b"); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_filter()->set_pipeline("a b"); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_filter()->add_states(v1::JOB_STATE_UNSPECIFIED); }));
  EXPECT_TRUE(refused([](auto& r) {
    for (int i = 0; i <= 1000; ++i) r.mutable_filter()->add_job_ids(i);
  }));
  EXPECT_TRUE(refused([](auto& r) { r.set_page_token("x"); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_page_size(-1); }));
  EXPECT_TRUE(refused([](auto& r) {
    r.set_page_token(NextPageToken(PageScope("ListJobs", v1::JobFilter()), "7"));
    r.mutable_filter()->set_pipeline("enrich");
  }));
}

TEST_F(JobServiceTest, CancelIsAllOrNoneAndIdempotent) {
  ConnectWatcher();
  Apply(TestPipeline("enrich"));
  Announce("a.csv");
  Announce("b.csv");
  EXPECT_EQ(Cancel("c0", {1, 99}).error_code(), Code::NOT_FOUND);
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(Cancel("c0", {}).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Cancel("c0", std::vector<int64_t>(1001, 1)).error_code(), Code::INVALID_ARGUMENT);
  EXPECT_EQ(Cancel("", {1}).error_code(), Code::INVALID_ARGUMENT);

  ASSERT_TRUE(Cancel("c1", {1}).ok());
  EXPECT_EQ(cancelled_.jobs(0).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(cancelled_.jobs(0).message(), "not needed");
  EXPECT_TRUE(Cancel("c1", {1}).ok());  // a repetition
  EXPECT_EQ(Cancel("c2", {2, 1}).error_code(), Code::FAILED_PRECONDITION);
  EXPECT_EQ(Get(2).state(), v1::JOB_STATE_AVAILABLE);

  auto wordy = WithId<v1::CancelJobsRequest>("c3");
  wordy.add_job_ids(2);
  wordy.set_reason(std::string(1001, 'x'));
  EXPECT_EQ(Call(&v1::JobService::Stub::CancelJobs, wordy, &cancelled_).error_code(),
            Code::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, RetryMakesAFailedJobAvailable) {
  ConnectWatcher();
  v1::Pipeline pipeline = TestPipeline("enrich");
  pipeline.mutable_retry()->set_attempts(1);
  Apply(pipeline);
  Announce("a.csv");
  EXPECT_EQ(Retry("r0", {1}, false).error_code(), Code::FAILED_PRECONDITION);
  EXPECT_EQ(Retry("r0", {2}, false).error_code(), Code::NOT_FOUND);
  EXPECT_EQ(Retry("r0", {}, false).error_code(), Code::INVALID_ARGUMENT);
  ASSERT_TRUE(Cancel("c", {1}).ok());
  ASSERT_TRUE(Retry("r1", {1}, true).ok());
  EXPECT_EQ(retried_.jobs(0).state(), v1::JOB_STATE_AVAILABLE);
  // The same id in another method is another request.
  ASSERT_TRUE(Cancel("r1", {1}).ok());
  ASSERT_TRUE(Retry("r1", {1}, true).ok());
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_CANCELLED);
  // Nobody has looked for a slot yet, but there is one.
  OpenSession("c", 1);
  ASSERT_TRUE(Retry("r2", {1}, false).ok());
  EXPECT_EQ(retried_.jobs(0).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_FALSE(retried_.jobs(0).has_waiting()) << retried_.jobs(0).waiting().message();
  EXPECT_EQ(Get(1).state(), v1::JOB_STATE_RUNNING);
}

TEST_F(JobServiceTest, ExplainWantsEitherAJobOrAFile) {
  v1::ExplainRequest request;
  EXPECT_EQ(Explain(request).error_code(), Code::INVALID_ARGUMENT);
  request.set_job_id(1);
  EXPECT_EQ(Explain(request).error_code(), Code::NOT_FOUND);
  request.mutable_file()->set_volume("unenriched");
  request.mutable_file()->set_path("a.csv");
  EXPECT_EQ(Explain(request).error_code(), Code::INVALID_ARGUMENT);
  request.clear_job_id();
  EXPECT_TRUE(Explain(request).ok());
  EXPECT_GT(explained_.lines_size(), 0);
  request.mutable_file()->set_path("/a.csv");
  EXPECT_EQ(Explain(request).error_code(), Code::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, CallsThatChangeAreUnavailableOnceTheLoopHasStopped) {
  loop_.Shutdown();
  EXPECT_EQ(Cancel("c", {1}).error_code(), Code::UNAVAILABLE);
}

}  // namespace
}  // namespace closewrite
