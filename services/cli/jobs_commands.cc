#include "services/cli/jobs_commands.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "services/cli/job_output.h"
#include "services/config/enum_name.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What one call of the API takes.
constexpr size_t kJobsPerCallMax = 1000;

struct ListOptions {
  std::vector<std::string> states;
  std::string pipeline;
  std::string volume;
  int64_t limit = 100;
};

absl::StatusOr<v1::JobFilter> MakeFilter(const ListOptions& options) {
  v1::JobFilter filter;
  filter.set_pipeline(options.pipeline);
  filter.set_input_volume(options.volume);
  for (const std::string& text : options.states) {
    for (const absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      const auto state = ParseEnum(*v1::JobState_descriptor(), ToStd(word));
      if (!state.ok()) return UsageError(StrCat("--state: ", state.status().message()));
      filter.add_states(static_cast<v1::JobState>((*state)->number()));
    }
  }
  return filter;
}

absl::StatusOr<int> ListJobs(Invocation& invocation, const ListOptions& options) {
  if (options.limit < 0) return UsageError("--limit: use 0 for no limit, or a positive number");
  const auto filter = MakeFilter(options);
  if (!filter.ok()) return filter.status();
  v1::ListJobsRequest request;
  *request.mutable_filter() = *filter;
  std::vector<v1::Job> jobs;
  Client& client = invocation.client();
  PageLoop pages{.limit = options.limit};
  const absl::Status status = pages.Run<v1::ListJobsRequest, v1::ListJobsResponse>(
      client, request,
      [&](auto* context, const auto& page_request, auto* response) {
        return client.jobs().ListJobs(context, page_request, response);
      },
      [&](const v1::ListJobsResponse& response) {
        jobs.insert(jobs.end(), response.jobs().begin(), response.jobs().end());
        return response.jobs_size();
      });
  if (!status.ok()) return status;
  PrintJobs(invocation, jobs, Format::kTable);
  if (pages.more) {
    invocation.Note(StrCat("there are more than ", options.limit, "; --limit 0 shows all"));
  }
  return kExitOk;
}

absl::StatusOr<int> ShowJob(Invocation& invocation, int64_t job_id) {
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  v1::GetJobResponse response;
  Client& client = invocation.client();
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().GetJob(context, request, &response);
  });
  if (!status.ok()) return status;
  PrintJob(invocation, response);
  return kExitOk;
}

// Calls `change` with at most kJobsPerCallMax jobs at a time and prints what became of them.
// `change` sets the other fields of the request and makes the call.
template <class Request, class Response, class Change>
absl::StatusOr<int> ChangeJobs(Invocation& invocation, const std::vector<int64_t>& job_ids,
                               Change change) {
  std::vector<v1::Job> jobs;
  absl::Status status;
  for (size_t from = 0; from < job_ids.size() && status.ok(); from += kJobsPerCallMax) {
    Request request;
    request.set_request_id(NewRequestId());
    const size_t end = std::min(job_ids.size(), from + kJobsPerCallMax);
    for (size_t i = from; i < end; ++i) request.add_job_ids(job_ids[i]);
    Response response;
    status = invocation.client().Call(
        [&](grpc::ClientContext* context) { return change(context, request, &response); });
    jobs.insert(jobs.end(), response.jobs().begin(), response.jobs().end());
  }
  if (status.ok() || !jobs.empty()) PrintJobs(invocation, jobs, Format::kTable);
  if (!status.ok()) return status;
  return kExitOk;
}

Command JobsCommand() {
  Command command{"jobs", "[--state S,...] [--pipeline P] [--volume V] [--limit N]",
                  "List jobs, newest first."};
  command.examples =
      "closewrite jobs --state failed\n"
      "closewrite jobs --state failed -o name | xargs closewrite redrive\n";
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ListOptions>();
    app.add_option("-s,--state", options->states, "Only in these states, with commas")
        ->expected(1)
        ->take_all();
    app.add_option("-p,--pipeline", options->pipeline, "Only of this pipeline");
    app.add_option("--volume", options->volume, "Only with inputs in this volume");
    app.add_option("-n,--limit", options->limit, "At most this many; 0: all")
        ->capture_default_str();
    return [options](Invocation& invocation) { return ListJobs(invocation, *options); };
  };
  return command;
}

Command JobCommand() {
  Command command{"job", "JOB", "Show one job with its attempts."};
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto id = std::make_shared<int64_t>(0);
    app.add_option("JOB", *id, "Number of the job")->required();
    return [id](Invocation& invocation) { return ShowJob(invocation, *id); };
  };
  return command;
}

Command RetryCommand(bool redrive) {
  Command command{
      redrive ? "redrive" : "retry", "JOB...",
      redrive ? "Make failed jobs available again, with all their attempts."
              : "Make failed, cancelled or retrying jobs available now, for one more attempt."};
  command.names = true;
  command.declare = [redrive](CLI::App& app) -> Action {
    auto ids = std::make_shared<std::vector<int64_t>>();
    app.add_option("JOB", *ids, "Numbers of jobs")->required();
    return [ids, redrive](Invocation& invocation) {
      return ChangeJobs<v1::RetryJobsRequest, v1::RetryJobsResponse>(
          invocation, *ids, [&](auto* context, auto& request, auto* response) {
            request.set_redrive(redrive);
            return invocation.client().jobs().RetryJobs(context, request, response);
          });
    };
  };
  return command;
}

Command CancelCommand() {
  Command command{"cancel", "JOB... [--reason TEXT]",
                  "Cancel jobs; running commands are killed and publish nothing. A job has its "
                  "slot, locks and place in line until its command is dead."};
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto ids = std::make_shared<std::vector<int64_t>>();
    auto reason = std::make_shared<std::string>();
    app.add_option("JOB", *ids, "Numbers of jobs")->required();
    app.add_option("--reason", *reason, "Why, for the record");
    return [ids, reason](Invocation& invocation) {
      return ChangeJobs<v1::CancelJobsRequest, v1::CancelJobsResponse>(
          invocation, *ids, [&](auto* context, auto& request, auto* response) {
            request.set_reason(*reason);
            return invocation.client().jobs().CancelJobs(context, request, response);
          });
    };
  };
  return command;
}

}  // namespace

std::vector<Command> JobsCommands() {
  return {JobsCommand(), JobCommand(), RetryCommand(false), RetryCommand(true), CancelCommand()};
}

}  // namespace closewrite::cli
