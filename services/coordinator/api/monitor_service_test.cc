#include "services/coordinator/api/monitor_service.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/coordinator/api/api_fixture.h"

namespace closewrite {
namespace {

class MonitorServiceTest : public ApiFixture {
 protected:
  template <class Request>
  void Sign(Request* request, std::optional<Lease> attempt) {
    request->set_request_id(absl::StrCat("request ", ++requests_));
    if (!attempt.has_value()) return;
    request->mutable_attempt()->set_job_id(attempt->job.value);
    request->mutable_attempt()->set_token(attempt->token.value);
  }

  grpc::Status Start(const std::string& job, std::optional<Lease> attempt = std::nullopt) {
    v1::StartExecutionRequest request;
    Sign(&request, attempt);
    request.set_job(job);
    v1::StartExecutionResponse response;
    grpc::ClientContext context;
    grpc::Status status = monitor_->StartExecution(&context, request, &response);
    execution_ = response.execution();
    return status;
  }
  grpc::Status End(const std::string& job, v1::ExecutionState state, const std::string& id = "",
                   std::optional<Lease> attempt = std::nullopt) {
    v1::EndExecutionRequest request;
    Sign(&request, attempt);
    request.set_job(job);
    request.set_id(id);
    request.set_state(state);
    v1::EndExecutionResponse response;
    grpc::ClientContext context;
    grpc::Status status = monitor_->EndExecution(&context, request, &response);
    execution_ = response.execution();
    return status;
  }
  grpc::Status Log(const std::string& job, int64_t records, int64_t increment,
                   std::optional<Lease> attempt = std::nullopt) {
    v1::LogLoadRequest request;
    Sign(&request, attempt);
    request.set_job(job);
    request.set_datasource("sales");
    request.set_records(records);
    request.set_increment(increment);
    v1::LogLoadResponse response;
    grpc::ClientContext context;
    grpc::Status status = monitor_->LogLoad(&context, request, &response);
    load_ = response.load();
    return status;
  }
  grpc::Status Read(const std::string& job, int64_t* increment,
                    std::optional<Lease> attempt = std::nullopt) {
    v1::GetIncrementRequest request;
    request.set_job(job);
    request.set_datasource("sales");
    if (attempt.has_value()) {
      request.mutable_attempt()->set_job_id(attempt->job.value);
      request.mutable_attempt()->set_token(attempt->token.value);
    }
    v1::GetIncrementResponse response;
    grpc::ClientContext context;
    grpc::Status status = monitor_->GetIncrement(&context, request, &response);
    *increment = response.increment().increment();
    return status;
  }
  std::vector<v1::Execution> Executions(const std::string& job) {
    v1::ListExecutionsRequest request;
    request.set_job(job);
    v1::ListExecutionsResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(monitor_->ListExecutions(&context, request, &response).ok());
    return {response.executions().begin(), response.executions().end()};
  }

  // The points that wait, one a line, without their ids and times, which are checked.
  std::string Points() {
    std::string text;
    EXPECT_TRUE(store_
                    .Read([&](StoreReader& reader) {
                      for (const PointBatch& batch : reader.ReadPoints(100)) {
                        for (const absl::string_view split : absl::StrSplit(batch.lines, '\n')) {
                          std::string line(split);
                          EXPECT_TRUE(absl::EndsWith(
                              line, absl::StrCat(" ", absl::ToUnixMillis(clock_.Now()))))
                              << line;
                          line.resize(line.rfind(' '));
                          const size_t id = line.find("id=");
                          EXPECT_EQ(line.substr(id + 39, 1), ",");  // a UUID
                          if (!execution_.id().empty()) {
                            line = absl::StrReplaceAll(line, {{execution_.id(), "ID"}});
                          }
                          absl::StrAppend(&text, line, "\n");
                        }
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    return text;
  }
  // A job whose command runs.
  Lease BeginJob() {
    Apply(TestPipeline("enrich"));
    ConnectWatcher();
    session_ = OpenSession("vm-c-1", 1);
    Announce("a.csv");
    const Lease lease{JobId{1}, FencingToken{1}};
    ReportRunning(session_, lease, 99);
    return lease;
  }

  int requests_ = 0;
  SessionId session_;
  v1::Execution execution_;
  v1::Load load_;
};

TEST_F(MonitorServiceTest, AScriptReportsItsExecution) {
  ASSERT_TRUE(Start("nightly").ok());
  EXPECT_EQ(execution_.state(), v1::EXECUTION_STATE_START);
  EXPECT_EQ(execution_.job_id(), 0);
  ASSERT_TRUE(End("nightly", v1::EXECUTION_STATE_END).ok());
  EXPECT_EQ(execution_.state(), v1::EXECUTION_STATE_END);
  EXPECT_TRUE(execution_.has_ended_at());
  EXPECT_EQ(Points(),
            "execution,id=ID,job=nightly,state=start value=1\n"
            "execution,id=ID,job=nightly,state=end value=1\n");
  const std::vector<v1::Execution> all = Executions("");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].id(), execution_.id());
}

TEST_F(MonitorServiceTest, AnEndNeedsOneThatIsOpen) {
  const grpc::Status none = End("nightly", v1::EXECUTION_STATE_END);
  EXPECT_EQ(none.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(absl::StrContains(none.error_message(), "`closewrite execution start nightly`"));
  ASSERT_TRUE(Start("nightly").ok());
  const std::string first = execution_.id();
  ASSERT_TRUE(Start("nightly").ok());
  const grpc::Status several = End("nightly", v1::EXECUTION_STATE_ERROR);
  EXPECT_EQ(several.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(several.error_message(), first)) << several.error_message();
  EXPECT_TRUE(End("nightly", v1::EXECUTION_STATE_ERROR, first).ok());
  const grpc::Status twice = End("nightly", v1::EXECUTION_STATE_END, first);
  EXPECT_EQ(twice.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(twice.error_message(), "has ended already: error"));
  EXPECT_EQ(End("other", v1::EXECUTION_STATE_END, first).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(End("nightly", v1::EXECUTION_STATE_START).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(MonitorServiceTest, AnAttemptIsItsOwnExecution) {
  const Lease lease = BeginJob();
  ASSERT_TRUE(Start("enrich", lease).ok());
  EXPECT_EQ(execution_.job_id(), 1);
  EXPECT_EQ(execution_.job(), "enrich");
  ASSERT_TRUE(End("", v1::EXECUTION_STATE_END, "", lease).ok());
  EXPECT_EQ(execution_.state(), v1::EXECUTION_STATE_START);  // its exit code tells
  ReportEnd(session_, lease, Outcome::kSucceeded, 0);
  EXPECT_EQ(Points(),
            "execution,id=ID,job=enrich,state=start value=1\n"
            "execution,id=ID,job=enrich,state=end value=1\n");
  const std::vector<v1::Execution> all = Executions("enrich");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].id(), execution_.id());
  EXPECT_EQ(all[0].state(), v1::EXECUTION_STATE_END);
  EXPECT_EQ(all[0].job_id(), 1);
}

TEST_F(MonitorServiceTest, AnAttemptMayReportAnotherJob) {
  const Lease lease = BeginJob();
  ASSERT_TRUE(Start("part-two", lease).ok());
  EXPECT_EQ(execution_.job_id(), 0);
  ASSERT_TRUE(End("part-two", v1::EXECUTION_STATE_END, execution_.id(), lease).ok());
  EXPECT_TRUE(absl::StrContains(Points(), "execution,id=ID,job=part-two,state=end value=1\n"));
}

TEST_F(MonitorServiceTest, IncrementsRise) {
  int64_t mark = 0;
  EXPECT_EQ(Read("load", &mark).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Log("load", 1000, -5).ok());
  ASSERT_TRUE(Log("load", 1000, 5'000'000'000).ok());
  ASSERT_TRUE(Read("load", &mark).ok());
  EXPECT_EQ(mark, 5'000'000'000);
  const grpc::Status lower = Log("load", 10, 4'999'999'999);
  EXPECT_EQ(lower.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(lower.error_message(), "4999999999")) << lower.error_message();
  EXPECT_TRUE(absl::StrContains(lower.error_message(), "5000000000")) << lower.error_message();
  EXPECT_FALSE(Log("load", 10, 5'000'000'000).ok());
  EXPECT_TRUE(Log("load", 0, 5'000'000'000).ok());  // nothing new was found
  EXPECT_TRUE(Log("other", 1, 1).ok());             // marks are each job's own
  v1::ListLoadsRequest request;
  request.set_job("load");
  v1::ListLoadsResponse loads;
  grpc::ClientContext context;
  ASSERT_TRUE(monitor_->ListLoads(&context, request, &loads).ok());
  EXPECT_EQ(loads.loads_size(), 3);
}

TEST_F(MonitorServiceTest, ALoadIsAPointOfItsExecution) {
  ASSERT_TRUE(Start("nightly").ok());
  ASSERT_TRUE(Log("nightly", 1000, 100001).ok());
  EXPECT_EQ(load_.execution(), execution_.id());
  EXPECT_EQ(Points(),
            "execution,id=ID,job=nightly,state=start value=1\n"
            "task,datasource=sales,id=ID,job=nightly,type=load records=1000i,increment=100001i\n");
}

TEST_F(MonitorServiceTest, ALateAttemptMovesNothing) {
  const Lease lease = BeginJob();
  ASSERT_TRUE(Log("", 10, 100, lease).ok());
  EXPECT_EQ(load_.job(), "enrich");
  int64_t mark = 0;
  ASSERT_TRUE(Read("", &mark, lease).ok());
  EXPECT_EQ(mark, 100);
  ReportEnd(session_, lease, Outcome::kFailed, 3);
  const grpc::Status late = Log("", 10, 200, lease);
  EXPECT_EQ(late.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(absl::StrContains(late.error_message(), "token 1 is over")) << late.error_message();
  ASSERT_TRUE(Read("enrich", &mark).ok());
  EXPECT_EQ(mark, 100);
}

TEST_F(MonitorServiceTest, ImportTakesWhatIsHigher) {
  ASSERT_TRUE(Log("load", 1, 50).ok());
  auto request = WithId<v1::ImportIncrementsRequest>("import");
  const auto add = [&](const std::string& job, int64_t increment) {
    v1::Increment* each = request.add_increments();
    each->set_job(job);
    each->set_datasource("sales");
    each->set_increment(increment);
  };
  add("load", 49);
  add("old", 7);
  v1::ImportIncrementsResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(monitor_->ImportIncrements(&context, request, &response).ok());
  ASSERT_EQ(response.taken_size(), 1);
  int64_t mark = 0;
  ASSERT_TRUE(Read("load", &mark).ok());
  EXPECT_EQ(mark, 50);
  ASSERT_TRUE(Read("old", &mark).ok());
  EXPECT_EQ(mark, 7);
}

TEST_F(MonitorServiceTest, IncrementsComeInPages) {
  for (const std::string job : {"a", "b", "c"}) ASSERT_TRUE(Log(job, 1, 1).ok());
  v1::ListIncrementsRequest request;
  request.set_page_size(2);
  std::string jobs;
  for (int i = 0; i < 2; ++i) {
    v1::ListIncrementsResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(monitor_->ListIncrements(&context, request, &response).ok());
    for (const v1::Increment& each : response.increments()) jobs += each.job();
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(jobs, "abc");
  EXPECT_EQ(request.page_token(), "");
}

TEST_F(MonitorServiceTest, AModelIsAPoint) {
  v1::LogModelRequest request;
  Sign(&request, std::nullopt);
  request.set_job("fit");
  request.set_dataset("sessions");
  request.set_target("conversion rate");
  request.set_test("TRUE");
  request.set_algorithm("glm");
  request.set_metric("mape");
  request.set_records(500);
  request.set_value(0.25);
  ASSERT_TRUE(Start("fit").ok());
  v1::LogModelResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(monitor_->LogModel(&context, request, &response).ok());
  EXPECT_EQ(Points(),
            "execution,id=ID,job=fit,state=start value=1\n"
            "model,algorithm=glm,dataset=sessions,id=ID,job=fit,metric=mape,"
            "target=conversion\\ rate,test=TRUE,type=performance records=500i,value=0.25\n");
}

TEST_F(MonitorServiceTest, AReportCountsWhatHasEnded) {
  const Lease lease = BeginJob();
  ASSERT_TRUE(Log("", 10, 100, lease).ok());
  clock_.Advance(absl::Seconds(5));
  ReportEnd(session_, lease, Outcome::kSucceeded, 0);
  clock_.Advance(absl::Seconds(1));
  v1::GetReportRequest request;
  v1::GetReportResponse report;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(monitor_->GetReport(&context, request, &report).ok());
  }
  EXPECT_EQ(report.at().seconds(), kTestStartSeconds + 6);
  EXPECT_EQ(report.until().seconds(), kTestStartSeconds + 6);
  EXPECT_EQ(report.jobs().succeeded(), 1);
  EXPECT_EQ(report.jobs().duration().median().seconds(), 5);
  ASSERT_EQ(report.pipelines_size(), 1);
  EXPECT_EQ(report.pipelines(0).name(), "enrich");
  ASSERT_EQ(report.sources_size(), 1);
  EXPECT_EQ(report.sources(0).job(), "enrich");
  EXPECT_EQ(report.records(), 10);
  request.mutable_since()->set_seconds(kTestStartSeconds + 7);
  grpc::ClientContext context;
  EXPECT_EQ(monitor_->GetReport(&context, request, &report).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(MonitorServiceTest, NoReportsAfterTheEnd) {
  monitor_service_.Shutdown();
  v1::GetReportResponse report;
  grpc::ClientContext context;
  EXPECT_EQ(monitor_->GetReport(&context, {}, &report).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(MonitorServiceTest, WrongNamesAreNamed) {
  EXPECT_EQ(Start("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Start("a\nb").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Start(std::string(257, 'x')).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(absl::StrContains(Log("load", -1, 5).error_message(), "records: can't be negative"));
  EXPECT_EQ(Start("", Lease{JobId{77}, FencingToken{1}}).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace closewrite
