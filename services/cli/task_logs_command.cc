#include "services/cli/task_logs_command.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "services/cli/log_print.h"
#include "services/cli/task_calls.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// How often one looks whether the task was stopped, while nothing runs.
constexpr absl::Duration kLookEvery = absl::Seconds(3);
constexpr int kRunsMax = 100;  // that may end while one looks at the log of another

struct Options {
  std::string name;
  std::optional<int64_t> run;
  LogFlags flags;
};

absl::StatusOr<bool> IsRunOf(Invocation& invocation, int64_t job, const std::string& task) {
  v1::GetJobRequest request;
  request.set_job_id(job);
  v1::GetJobResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().GetJob(context, request, &response);
  });
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) return status;
  return response.job().pipeline() == RunsOf(task);
}

// The newest run, or the one that is named by its job.
absl::StatusOr<int64_t> FirstRun(Invocation& invocation, const Options& options) {
  const absl::StatusOr<v1::TaskStatus> task = GetTask(invocation, options.name);
  if (!task.ok()) return task.status();
  if (!options.run.has_value()) {
    if (task->has_last_run()) return task->last_run().id();
    return absl::NotFoundError(StrCat("task ", options.name, " has not run yet; `closewrite task ",
                                      task->started() ? "show" : "start", " ", options.name, "` ",
                                      task->started() ? "tells when it will" : "starts it"));
  }
  const absl::StatusOr<bool> is_run = IsRunOf(invocation, *options.run, options.name);
  if (!is_run.ok()) return is_run.status();
  if (*is_run) return *options.run;
  return absl::NotFoundError(StrCat("task ", options.name, " has no run ", *options.run,
                                    "; `closewrite task history ", options.name,
                                    "` lists those there are"));
}

// Of the runs after `job` that have begun, the oldest; 0 when there is none. Of more than
// kRunsMax the older ones are passed over.
absl::StatusOr<int64_t> RunAfter(Invocation& invocation, const std::string& task, int64_t job) {
  v1::ListJobsRequest request;
  request.mutable_filter()->set_pipeline(RunsOf(task));
  request.set_page_size(kRunsMax);
  v1::ListJobsResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().ListJobs(context, request, &response);
  });
  if (!status.ok()) return status;
  int64_t next = 0;
  for (const v1::Job& run : response.jobs()) {
    if (run.id() > job && run.token() > 0) next = run.id();
  }
  return next;
}

// Waits for it; 0 when the task is stopped and has none.
absl::StatusOr<int64_t> NextRun(Invocation& invocation, const std::string& name, int64_t job) {
  v1::WatchJobsRequest request;
  request.mutable_filter()->set_pipeline(RunsOf(name));
  request.mutable_filter()->add_states(v1::JOB_STATE_RUNNING);
  Client& client = invocation.client();
  for (;;) {
    absl::StatusOr<int64_t> next = RunAfter(invocation, name, job);
    if (!next.ok() || *next != 0) return next;
    const absl::StatusOr<v1::TaskStatus> task = GetTask(invocation, name);
    if (!task.ok()) return task.status();
    if (!task->started() && task->last_run().id() <= job) return 0;
    const absl::Time until = std::min(invocation.deadline(), invocation.now() + kLookEvery);
    const absl::Status status = client.Follow<v1::WatchJobsResponse>(
        until,
        [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, request); },
        [&](const v1::WatchJobsResponse& response) { return response.job().id() <= job; });
    const bool looks_again = absl::IsDeadlineExceeded(status) && until < invocation.deadline();
    if (!status.ok() && !looks_again) return status;
  }
}

absl::StatusOr<int> Logs(Invocation& invocation, const Options& options) {
  absl::StatusOr<LogOptions> log = MakeLogOptions(invocation, options.flags);
  if (!log.ok()) return log.status();
  absl::StatusOr<int64_t> job = FirstRun(invocation, options);
  while (job.ok()) {
    log->job_id = *job;
    const absl::Status status = PrintLog(invocation, *log, options.flags.timestamps);
    if (!status.ok()) return status;
    if (!options.flags.follow || options.run.has_value() || !invocation.out().good())
      return kExitOk;
    job = NextRun(invocation, options.name, *job);
    if (job.ok() && *job == 0) return kExitOk;
    if (job.ok()) invocation.Note(StrCat("here begins job ", *job));
    log->token = log->tail_lines = 0;
  }
  return job.status();
}

}  // namespace

Command TaskLogsCommand() {
  Command command{"task logs", "NAME [-f] [--run JOB] [--token N] [--tail N] [--stdout|--stderr]",
                  "Print the log of a task's newest run, or of an earlier one."};
  command.examples = "closewrite task logs feed --tail 50 -f\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "Name of the task")->required();
    app.add_option("--run", options->run, "Number of the run's job, as `task history` lists them");
    DeclareLogFlags(
        app, "Go on with what is written, and with the runs to come of a task that is started",
        "Of the run's attempts that with this token, as `closewrite job` shows them",
        &options->flags);
    return [options](Invocation& invocation) { return Logs(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
