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
  std::optional<int64_t> token;
  int64_t tail = 0;
  bool follow = false;
  bool standard_output = false;
  bool standard_error = false;
  bool timestamps = false;
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
  if (invocation.format_given() && !invocation.json()) {
    return UsageError("logs are bytes; of -o only json goes with them");
  }
  if (options.tail < 0) return UsageError("--tail: use 0 for the whole log, or a positive number");
  absl::StatusOr<int64_t> job = FirstRun(invocation, options);
  LogOptions log{
      .token = options.token.value_or(0), .tail_lines = options.tail, .follow = options.follow};
  if (options.standard_output) log.streams.push_back(v1::LOG_STREAM_STDOUT);
  if (options.standard_error) log.streams.push_back(v1::LOG_STREAM_STDERR);
  while (job.ok()) {
    log.job_id = *job;
    const absl::Status status = PrintLog(invocation, log, options.timestamps);
    if (!status.ok()) return status;
    if (!options.follow || options.run.has_value() || !invocation.out().good()) return kExitOk;
    job = NextRun(invocation, options.name, *job);
    if (job.ok() && *job == 0) return kExitOk;
    if (job.ok()) invocation.Note(StrCat("here begins job ", *job));
    log.token = log.tail_lines = 0;
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
    app.add_flag("-f,--follow", options->follow,
                 "Go on with what is written, and with the runs to come of a task that is started");
    app.add_option("--run", options->run, "Number of the run's job, as `task history` lists them");
    app.add_option("--token", options->token,
                   "Of the run's attempts that with this token, as `closewrite job` shows them");
    app.add_option("--tail", options->tail, "Only the last so many lines; 0: all");
    app.add_flag("--stdout", options->standard_output, "Only what was written to stdout");
    app.add_flag("--stderr", options->standard_error, "Only what was written to stderr");
    app.add_flag("--timestamps", options->timestamps,
                 "Each line with the local time at which it began");
    return [options](Invocation& invocation) { return Logs(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
