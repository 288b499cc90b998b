#include "services/coordinator/api/monitor_service.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "services/coordinator/api/answer_once.h"
#include "services/coordinator/api/page_token.h"
#include "services/coordinator/api/report_reader.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/attempts.h"
#include "services/coordinator/core/task.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr char kTypeDefault[] = "load";
// Jobs that are read at once for their attempts.
constexpr int64_t kJobsPerRead = 1000;

void CheckText(std::string_view field, std::string_view text, Violations* violations) {
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (text.size() > kMonitoringNameBytesMax || control || !IsUtf8(text)) {
    violations->Add(field, StrCat("use UTF-8 without control characters, at most ",
                                  kMonitoringNameBytesMax, " bytes"));
  }
}

void CheckWord(std::string_view field, std::string_view text, Violations* violations) {
  if (text.empty()) violations->Add(field, "is missing");
  CheckText(field, text, violations);
}

std::string TypeOf(const std::string& type) { return type.empty() ? kTypeDefault : type; }

// What all reports have.
template <class Request>
Reporter ReporterOf(const Request& request, const std::function<std::string()>& new_id,
                    Violations* violations) {
  Reporter reporter{.job = request.job(), .new_id = new_id()};
  CheckText("job", request.job(), violations);
  if (request.has_attempt()) {
    reporter.attempt =
        Lease{JobId{request.attempt().job_id()}, FencingToken{request.attempt().token()}};
  } else if (request.job().empty()) {
    violations->Add("job", "is missing");
  }
  return reporter;
}

v1::ExecutionState ToProto(ExecutionState state) {
  switch (state) {
    case ExecutionState::kStart:
      return v1::EXECUTION_STATE_START;
    case ExecutionState::kEnd:
      return v1::EXECUTION_STATE_END;
    case ExecutionState::kError:
      return v1::EXECUTION_STATE_ERROR;
  }
  return v1::EXECUTION_STATE_UNSPECIFIED;
}

v1::Execution ToProto(const Execution& execution, int64_t job_id = 0) {
  v1::Execution shown;
  shown.set_id(execution.id);
  shown.set_job(execution.job);
  shown.set_state(ToProto(execution.state));
  SetTime(execution.started_at, shown.mutable_started_at());
  if (execution.ended_at != absl::InfiniteFuture()) {
    SetTime(execution.ended_at, shown.mutable_ended_at());
  }
  shown.set_job_id(job_id);
  return shown;
}

// Of the reporter's own attempt, when that is what it is.
v1::Execution Shown(const Execution& execution, const Reporter& reporter) {
  const bool own = reporter.attempt.has_value() && execution.id != reporter.new_id &&
                   execution.state == ExecutionState::kStart;
  return ToProto(execution, own ? reporter.attempt->job.value : 0);
}

v1::Increment ToProto(const Increment& increment) {
  v1::Increment shown;
  shown.set_job(increment.job);
  shown.set_type(increment.type);
  shown.set_datasource(increment.datasource);
  shown.set_increment(increment.value);
  SetTime(increment.at, shown.mutable_at());
  return shown;
}

v1::Load ToProto(const Load& load) {
  v1::Load shown;
  shown.set_execution(load.execution);
  shown.set_job(load.job);
  shown.set_type(load.type);
  shown.set_datasource(load.datasource);
  shown.set_records(load.records);
  shown.set_increment(load.increment);
  SetTime(load.at, shown.mutable_at());
  return shown;
}

template <class Request>
absl::StatusOr<int64_t> LimitOf(const Request& request) {
  if (request.limit() < 0 || request.limit() > kReportsMax) {
    return WrongField("limit", StrCat("is ", request.limit(), "; give 1 to ", kReportsMax));
  }
  return request.limit() == 0 ? kReportsDefault : request.limit();
}

template <class Request>
absl::Time SinceOf(const Request& request) {
  return request.has_since() ? FromProto(request.since()) : absl::InfinitePast();
}

// An attempt as an execution; nullopt when it is none: see ExecutionPointsOf.
std::optional<Execution> ExecutionOf(const Job& job, const Attempt& attempt) {
  const bool runs = attempt.outcome == Outcome::kNone;
  if (runs ? attempt.pid == 0 : !IsExecution(attempt)) return std::nullopt;
  Execution execution{.id = ExecutionId({job.id, attempt.token}, attempt.leased_at),
                      .job = ExecutionJobName(job),
                      .started_at = attempt.pid == 0 ? attempt.leased_at : attempt.started_at};
  const bool newest = attempt.token == job.token && attempt.outcome == Outcome::kSucceeded;
  if (runs || (newest && job.state == JobState::kPublishing)) return execution;
  const bool well = newest && job.state == JobState::kSucceeded;
  execution.state = well ? ExecutionState::kEnd : ExecutionState::kError;
  execution.ended_at = well ? job.finished_at : attempt.ended_at;
  return execution;
}

struct Found {
  Execution execution;
  int64_t job_id = 0;
};

// Attempts of the newest jobs; those of a job that was made before `since` may be younger.
void FindAttempts(StoreReader& reader, const std::string& pipeline, absl::Time since, int64_t limit,
                  std::vector<Found>* found) {
  JobFilter filter;
  filter.pipeline = pipeline;
  JobId before;
  for (int64_t left = limit; left > 0;) {
    const std::vector<Job> jobs = reader.ListJobs(filter, before, std::min(left, kJobsPerRead));
    if (jobs.empty()) return;
    for (const Job& job : jobs) {
      for (const Attempt& attempt : AttemptsOf(reader, job)) {
        const std::optional<Execution> execution = ExecutionOf(job, attempt);
        if (!execution.has_value() || execution->started_at < since) continue;
        found->push_back({*execution, job.id.value});
      }
    }
    left -= static_cast<int64_t>(jobs.size());
    before = jobs.back().id;
  }
}

}  // namespace

grpc::ServerUnaryReactor* MonitorService::StartExecution(grpc::CallbackServerContext* context,
                                                         const v1::StartExecutionRequest* request,
                                                         v1::StartExecutionResponse* response) {
  Violations wrong;
  Reporter reporter = ReporterOf(*request, new_id_, &wrong);
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  return AnswerOnce<v1::StartExecutionResponse>(
      api_, context, "StartExecution", *request, response,
      [reporter = std::move(reporter)](Engine& engine, StoreTransaction& tx, absl::Time now,
                                       v1::StartExecutionResponse* answer) {
        const absl::StatusOr<Execution> started = engine.monitor().Start(tx, reporter, now);
        if (!started.ok()) return started.status();
        *answer->mutable_execution() = Shown(*started, reporter);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MonitorService::EndExecution(grpc::CallbackServerContext* context,
                                                       const v1::EndExecutionRequest* request,
                                                       v1::EndExecutionResponse* response) {
  Violations wrong;
  Reporter reporter = ReporterOf(*request, new_id_, &wrong);
  reporter.execution = request->id();
  CheckText("id", request->id(), &wrong);
  const bool error = request->state() == v1::EXECUTION_STATE_ERROR;
  if (!error && request->state() != v1::EXECUTION_STATE_END) {
    wrong.Add("state", "an execution ends with END or ERROR");
  }
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  const ExecutionState state = error ? ExecutionState::kError : ExecutionState::kEnd;
  return AnswerOnce<v1::EndExecutionResponse>(
      api_, context, "EndExecution", *request, response,
      [reporter = std::move(reporter), state](Engine& engine, StoreTransaction& tx, absl::Time now,
                                              v1::EndExecutionResponse* answer) {
        const absl::StatusOr<Execution> ended = engine.monitor().End(tx, reporter, state, now);
        if (!ended.ok()) return ended.status();
        *answer->mutable_execution() = Shown(*ended, reporter);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MonitorService::ListExecutions(grpc::CallbackServerContext* context,
                                                         const v1::ListExecutionsRequest* request,
                                                         v1::ListExecutionsResponse* response) {
  return Answer(context, FindExecutions(*request, response));
}

absl::Status MonitorService::FindExecutions(const v1::ListExecutionsRequest& request,
                                            v1::ListExecutionsResponse* response) {
  const absl::StatusOr<int64_t> limit = LimitOf(request);
  if (!limit.ok()) return limit.status();
  const absl::Time since = SinceOf(request);
  std::vector<Found> found;
  absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    found.clear();
    for (Execution& execution : reader.ListExecutions({request.job(), since}, {}, *limit)) {
      found.push_back({std::move(execution)});
    }
    FindAttempts(reader, request.job(), since, *limit, &found);
    if (!request.job().empty()) {
      FindAttempts(reader, RunsOf(request.job()), since, *limit, &found);
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.execution.started_at > b.execution.started_at;
  });
  if (found.size() > static_cast<size_t>(*limit)) found.resize(*limit);
  for (const Found& each : found) {
    *response->add_executions() = ToProto(each.execution, each.job_id);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* MonitorService::LogLoad(grpc::CallbackServerContext* context,
                                                  const v1::LogLoadRequest* request,
                                                  v1::LogLoadResponse* response) {
  Violations wrong;
  Reporter reporter = ReporterOf(*request, new_id_, &wrong);
  reporter.execution = request->execution();
  CheckText("execution", request->execution(), &wrong);
  Load load{.type = TypeOf(request->type()),
            .datasource = request->datasource(),
            .records = request->records(),
            .increment = request->increment()};
  CheckText("type", load.type, &wrong);
  CheckWord("datasource", load.datasource, &wrong);
  if (load.records < 0) wrong.Add("records", "can't be negative");
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  return AnswerOnce<v1::LogLoadResponse>(
      api_, context, "LogLoad", *request, response,
      [reporter = std::move(reporter), load = std::move(load)](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::LogLoadResponse* answer) {
        const absl::StatusOr<Load> logged = engine.monitor().LogLoad(tx, reporter, load, now);
        if (!logged.ok()) return logged.status();
        *answer->mutable_load() = ToProto(*logged);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MonitorService::GetIncrement(grpc::CallbackServerContext* context,
                                                       const v1::GetIncrementRequest* request,
                                                       v1::GetIncrementResponse* response) {
  return Answer(context, FindIncrement(*request, response));
}

absl::Status MonitorService::FindIncrement(const v1::GetIncrementRequest& request,
                                           v1::GetIncrementResponse* response) {
  Violations wrong;
  const Reporter reporter = ReporterOf(request, new_id_, &wrong);
  CheckWord("datasource", request.datasource(), &wrong);
  if (!wrong.empty()) return wrong.ToStatus();
  return loop_.store().Read([&](StoreReader& reader) {
    const absl::StatusOr<IncrementKey> key =
        MonitorBook::KeyOf(reader, reporter, TypeOf(request.type()), request.datasource());
    if (!key.ok()) return key.status();
    const std::optional<Increment> mark = reader.FindIncrement(*key);
    if (!mark.has_value()) {
      return absl::NotFoundError(
          StrCat("job ", key->job, " has logged no increment of ", key->datasource, " yet"));
    }
    *response->mutable_increment() = ToProto(*mark);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* MonitorService::ListIncrements(grpc::CallbackServerContext* context,
                                                         const v1::ListIncrementsRequest* request,
                                                         v1::ListIncrementsResponse* response) {
  return Answer(context, FindIncrements(*request, response));
}

absl::Status MonitorService::FindIncrements(const v1::ListIncrementsRequest& request,
                                            v1::ListIncrementsResponse* response) {
  const std::string scope = StrCat("ListIncrements:", request.job());
  absl::StatusOr<PageRequest> page = OpenPage(scope, request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  v1::Increment after;
  if (!after.ParseFromString(page->cursor)) return WrongField("page_token", "is not one of these");
  return loop_.store().Read([&](StoreReader& reader) {
    PageFill fill(*page);
    // One more tells whether there is a next page.
    for (const Increment& increment : reader.ListIncrements(
             request.job(), {after.job(), after.type(), after.datasource()}, page->rows + 1)) {
      if (fill.full()) {
        response->set_next_page_token(
            NextPageToken(scope, response->increments().rbegin()->SerializeAsString()));
        break;
      }
      *response->add_increments() = ToProto(increment);
      fill.Add(*response->increments().rbegin());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* MonitorService::ImportIncrements(
    grpc::CallbackServerContext* context, const v1::ImportIncrementsRequest* request,
    v1::ImportIncrementsResponse* response) {
  Violations wrong;
  if (request->increments_size() > kImportedIncrementsMax) {
    wrong.Add("increments",
              StrCat("are ", request->increments_size(), "; give ", kImportedIncrementsMax));
  }
  std::vector<Increment> increments;
  for (int i = 0; i < request->increments_size() && wrong.empty(); ++i) {
    const v1::Increment& each = request->increments(i);
    const std::string field = StrCat("increments[", i, "].");
    CheckWord(field + "job", each.job(), &wrong);
    CheckWord(field + "datasource", each.datasource(), &wrong);
    CheckText(field + "type", each.type(), &wrong);
    increments.push_back({each.job(), TypeOf(each.type()), each.datasource(), each.increment(),
                          each.has_at() ? FromProto(each.at()) : absl::UnixEpoch()});
  }
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  return AnswerOnce<v1::ImportIncrementsResponse>(
      api_, context, "ImportIncrements", *request, response,
      [increments = std::move(increments)](Engine& engine, StoreTransaction& tx, absl::Time,
                                           v1::ImportIncrementsResponse* answer) {
        for (const Increment& taken : engine.monitor().Import(tx, increments)) {
          *answer->add_taken() = ToProto(taken);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MonitorService::ListLoads(grpc::CallbackServerContext* context,
                                                    const v1::ListLoadsRequest* request,
                                                    v1::ListLoadsResponse* response) {
  return Answer(context, FindLoads(*request, response));
}

absl::Status MonitorService::FindLoads(const v1::ListLoadsRequest& request,
                                       v1::ListLoadsResponse* response) {
  const absl::StatusOr<int64_t> limit = LimitOf(request);
  if (!limit.ok()) return limit.status();
  const LoadFilter filter{request.job(), request.datasource(), SinceOf(request)};
  return loop_.store().Read([&](StoreReader& reader) {
    response->Clear();
    for (const Load& load : reader.ListLoads(filter, {}, *limit)) {
      *response->add_loads() = ToProto(load);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* MonitorService::LogModel(grpc::CallbackServerContext* context,
                                                   const v1::LogModelRequest* request,
                                                   v1::LogModelResponse* response) {
  Violations wrong;
  Reporter reporter = ReporterOf(*request, new_id_, &wrong);
  reporter.execution = request->execution();
  CheckText("execution", request->execution(), &wrong);
  ModelReport report{.tags = {{"dataset", request->dataset()},
                              {"target", request->target()},
                              {"test", request->test()},
                              {"algorithm", request->algorithm()},
                              {"metric", request->metric()},
                              {"group", request->group()}},
                     .records = request->records(),
                     .value = request->value()};
  for (const auto& [field, text] : report.tags) CheckText(field, text, &wrong);
  if (!std::isfinite(report.value)) wrong.Add("value", "is no finite number");
  if (report.records < 0) wrong.Add("records", "can't be negative");
  if (!wrong.empty()) return Answer(context, wrong.ToStatus());
  return AnswerOnce<v1::LogModelResponse>(
      api_, context, "LogModel", *request, response,
      [reporter = std::move(reporter), report = std::move(report)](
          Engine& engine, StoreTransaction& tx, absl::Time now, v1::LogModelResponse*) {
        return engine.monitor().LogModel(tx, reporter, report, now);
      });
}

grpc::ServerUnaryReactor* MonitorService::GetReport(grpc::CallbackServerContext* context,
                                                    const v1::GetReportRequest* request,
                                                    v1::GetReportResponse* response) {
  const absl::StatusOr<absl::Time> now = StoreNow();
  if (!now.ok()) return Answer(context, now.status());
  const absl::StatusOr<ReportPeriod> period = ReportPeriodOf(*request, *now);
  if (!period.ok()) return Answer(context, period.status());
  SetTime(*now, response->mutable_at());
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reports_.Submit(
      [this, context, response, period = *period](absl::FunctionRef<bool()> go_on) {
        return ReadReport(
            loop_.store(), period, ReportLimits{},
            [&] { return go_on() && !context->IsCancelled(); }, response);
      },
      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

absl::StatusOr<absl::Time> MonitorService::StoreNow() {
  absl::Time now = loop_.clock().Now();
  absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    now = reader.Now(loop_.clock().Now());
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return now;
}

}  // namespace closewrite
