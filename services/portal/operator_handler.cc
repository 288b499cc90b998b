#include "services/portal/operator_handler.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/clock/clock.h"
#include "services/config/duration.h"
#include "services/config/uuid.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/portal/log_end.h"
#include "services/portal/operator_pages.h"

namespace closewrite::portal {
namespace {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  return timestamp;
}

int HoursOf(const WebRequest& request) {
  int hours = 0;
  const bool known =
      absl::SimpleAtoi(request.Query("hours"), &hours) &&
      std::find(std::begin(kPeriodHours), std::end(kPeriodHours), hours) != std::end(kPeriodHours);
  return known ? hours : kPeriodHours[0];
}

// `/jobs/7/retry` in its parts.
std::vector<std::string> Parts(const std::string& path) {
  return absl::StrSplit(path, '/', absl::SkipEmpty());
}

Page NotHere() { return ErrorPage(404, "There is nothing here", "No page has this address."); }

}  // namespace

Page OperatorHandler::Show(const WebRequest& request, const std::string& path) {
  const absl::Time now = WallTime();
  if (path == "/overview") return ShowOverview(request);
  if (path == "/jobs") return ShowJobs(request);
  if (path == "/executors") {
    v1::ListExecutorsRequest wanted;
    wanted.set_page_size(kFleetPerPage);
    const auto found =
        calls_.Call<v1::FleetService>(&v1::FleetService::Stub::ListExecutors, wanted);
    return found.ok() ? ExecutorsPage(*found, request.visitor.role, now)
                      : ErrorPage(found.status());
  }
  if (path == "/watchers") {
    v1::ListWatchersRequest wanted;
    wanted.set_page_size(kFleetPerPage);
    const auto found = calls_.Call<v1::FleetService>(&v1::FleetService::Stub::ListWatchers, wanted);
    return found.ok() ? WatchersPage(*found, now) : ErrorPage(found.status());
  }
  if (path == "/locks") {
    const auto locks =
        calls_.Call<v1::LockService>(&v1::LockService::Stub::ListLocks, v1::ListLocksRequest());
    if (!locks.ok()) return ErrorPage(locks.status());
    const auto rates =
        calls_.Call<v1::LockService>(&v1::LockService::Stub::ListRates, v1::ListRatesRequest());
    if (!rates.ok()) return ErrorPage(rates.status());
    return LocksPage(*locks, *rates, request.visitor.role, now);
  }
  if (path == "/tasks") {
    v1::ListTasksRequest wanted;
    wanted.set_page_size(kTasksPerPage);
    const auto found = calls_.Call<v1::TaskService>(&v1::TaskService::Stub::ListTasks, wanted);
    return found.ok() ? TasksPage(*found, now) : ErrorPage(found.status());
  }
  const std::vector<std::string> parts = Parts(path);
  int64_t id = 0;
  if (parts.size() == 2 && parts[0] == "jobs" && absl::SimpleAtoi(parts[1], &id)) {
    return ShowJob(id);
  }
  return NotHere();
}

absl::StatusOr<v1::GetReportResponse> OperatorHandler::Report(int hours) {
  {
    absl::MutexLock lock(&mutex_);
    const auto kept = reports_.find(hours);
    if (kept != reports_.end() && SinceBoot() - kept->second.made_at < kReportKept) {
      return kept->second.report;
    }
  }
  v1::GetReportRequest wanted;
  *wanted.mutable_since() = ToTimestamp(WallTime() - absl::Hours(hours));
  absl::StatusOr<v1::GetReportResponse> report =
      calls_.Call<v1::MonitorService>(&v1::MonitorService::Stub::GetReport, wanted);
  if (!report.ok()) return report.status();
  absl::MutexLock lock(&mutex_);
  reports_[hours] = {*report, SinceBoot()};
  return report;
}

Page OperatorHandler::ShowOverview(const WebRequest& request) {
  Overview overview{.hours = HoursOf(request)};
  auto now =
      calls_.Call<v1::FleetService>(&v1::FleetService::Stub::GetOverview, v1::GetOverviewRequest());
  if (!now.ok()) return ErrorPage(now.status());
  absl::StatusOr<v1::GetReportResponse> report = Report(overview.hours);
  if (!report.ok()) return ErrorPage(report.status());
  v1::ListExecutorsRequest executors;
  executors.set_page_size(kFleetPerPage);
  const auto all = calls_.Call<v1::FleetService>(&v1::FleetService::Stub::ListExecutors, executors);
  if (!all.ok()) return ErrorPage(all.status());
  v1::ListWatchersRequest watchers;
  watchers.set_page_size(kFleetPerPage);
  const auto homes = calls_.Call<v1::FleetService>(&v1::FleetService::Stub::ListWatchers, watchers);
  if (!homes.ok()) return ErrorPage(homes.status());
  overview.now = *std::move(now);
  overview.report = *std::move(report);
  overview.executors = {all->executors().begin(), all->executors().end()};
  overview.watchers = {homes->watchers().begin(), homes->watchers().end()};
  return OverviewPage(overview);
}

Page OperatorHandler::ShowJobs(const WebRequest& request) {
  JobList list{
      .state = request.Query("state"), .pipeline = request.Query("pipeline"), .now = WallTime()};
  v1::ListJobsRequest wanted;
  wanted.set_page_size(kJobsPerPage);
  wanted.set_page_token(request.Query("after"));
  list.is_first = wanted.page_token().empty();
  wanted.mutable_filter()->set_pipeline(list.pipeline);
  if (!list.state.empty()) {
    const v1::JobState state = StateNamed(list.state);
    if (state == v1::JOB_STATE_UNSPECIFIED) {
      return ErrorPage(absl::InvalidArgumentError(
          StrCat("state=", list.state, " is none: say available, running, failed ...")));
    }
    wanted.mutable_filter()->add_states(state);
  }
  auto jobs = calls_.Call<v1::JobService>(&v1::JobService::Stub::ListJobs, wanted);
  if (!jobs.ok()) return ErrorPage(jobs.status());
  list.jobs = *std::move(jobs);
  return JobListPage(list);
}

Page OperatorHandler::ShowJob(int64_t id) {
  JobDetails details{.now = WallTime()};
  v1::GetJobRequest wanted;
  wanted.set_job_id(id);
  auto job = calls_.Call<v1::JobService>(&v1::JobService::Stub::GetJob, wanted);
  if (!job.ok()) return ErrorPage(job.status());
  details.job = *std::move(job);
  v1::ExplainRequest explain;
  explain.set_job_id(id);
  auto story = calls_.Call<v1::JobService>(&v1::JobService::Stub::Explain, explain);
  if (story.ok()) details.story = *std::move(story);
  if (details.job.job().token() != 0) details.log = LogEnd(&calls_, id);
  return JobPage(details);
}

Page OperatorHandler::Act(const WebRequest& request, const std::string& path) {
  const std::vector<std::string> parts = Parts(path);
  if (parts.size() != 3) return NotHere();
  int64_t id = 0;
  LogInfo("somebody acts", {{"user", request.visitor.name}, {"path", path}});
  if (parts[0] == "jobs" && absl::SimpleAtoi(parts[1], &id)) {
    return ActOnJob(id, parts[2], request.visitor.name);
  }
  if (parts[0] == "tasks") return ActOnTask(parts[1], parts[2], request.visitor.name);
  if (request.visitor.role < v1::PORTAL_ROLE_ADMIN) return NotHere();
  if (parts[0] == "executors" && parts[2] == "drain") return Drain(parts[1], request.visitor.name);
  if (parts[0] == "locks" && parts[2] == "break") return Break(parts[1], request.visitor.name);
  return NotHere();
}

Page OperatorHandler::Drain(const std::string& name, const std::string& who) {
  v1::DrainExecutorsRequest wanted;
  wanted.set_request_id(NewUuid());
  wanted.add_names(name);
  const absl::Status status =
      calls_.CallPatiently<v1::FleetService>(&v1::FleetService::Stub::DrainExecutors, wanted, who)
          .status();
  return status.ok() ? Redirect("/executors") : ErrorPage(status);
}

Page OperatorHandler::Break(const std::string& lock, const std::string& who) {
  v1::BreakLockRequest wanted;
  wanted.set_request_id(NewUuid());
  wanted.set_lock(lock);
  wanted.set_reason(StrCat("on the portal", who.empty() ? "" : " by ", who));
  const absl::Status status =
      calls_.CallPatiently<v1::LockService>(&v1::LockService::Stub::BreakLock, wanted, who)
          .status();
  return status.ok() ? Redirect("/locks") : ErrorPage(status);
}

Page OperatorHandler::ActOnJob(int64_t id, const std::string& action, const std::string& who) {
  absl::Status status;
  if (action == "retry") {
    v1::RetryJobsRequest wanted;
    wanted.set_request_id(NewUuid());
    wanted.add_job_ids(id);
    status = calls_.CallPatiently<v1::JobService>(&v1::JobService::Stub::RetryJobs, wanted, who)
                 .status();
  } else if (action == "cancel") {
    v1::CancelJobsRequest wanted;
    wanted.set_request_id(NewUuid());
    wanted.add_job_ids(id);
    wanted.set_reason(StrCat("cancelled on the portal", who.empty() ? "" : " by ", who));
    status = calls_.CallPatiently<v1::JobService>(&v1::JobService::Stub::CancelJobs, wanted, who)
                 .status();
  } else {
    return NotHere();
  }
  return status.ok() ? Redirect(StrCat("/jobs/", id)) : ErrorPage(status);
}

Page OperatorHandler::ActOnTask(const std::string& name, const std::string& action,
                                const std::string& who) {
  absl::Status status;
  if (action == "start") {
    v1::StartTasksRequest wanted;
    wanted.set_request_id(NewUuid());
    wanted.add_names(name);
    status = calls_.CallPatiently<v1::TaskService>(&v1::TaskService::Stub::StartTasks, wanted, who)
                 .status();
  } else if (action == "stop") {
    v1::StopTasksRequest wanted;
    wanted.set_request_id(NewUuid());
    wanted.add_names(name);
    status = calls_.CallPatiently<v1::TaskService>(&v1::TaskService::Stub::StopTasks, wanted, who)
                 .status();
  } else {
    return NotHere();
  }
  return status.ok() ? Redirect("/tasks") : ErrorPage(status);
}

}  // namespace closewrite::portal
