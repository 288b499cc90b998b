#include "services/cli/jobs_commands.h"

#include <memory>
#include <string>
#include <utility>

#include "services/cli/job_change_commands.h"
#include "services/cli/job_filter.h"
#include "services/cli/job_list.h"
#include "services/cli/job_output.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

struct ListOptions {
  JobFilterOptions filter;
  JobListOptions list;
  bool watch = false;
};

absl::StatusOr<int> Jobs(Invocation& invocation, const ListOptions& options) {
  if (options.list.limit < 0) {
    return UsageError("--limit: use 0 for no limit, or a positive number");
  }
  JobListOptions list = options.list;
  if (options.watch && (!list.sort.empty() || list.reverse)) {
    return UsageError("--watch prints jobs as they change; --sort and --reverse don't go with it");
  }
  auto filter = MakeJobFilter(options.filter, invocation.now());
  if (!filter.ok()) return filter.status();
  list.filter = *std::move(filter);
  return options.watch ? WatchJobs(invocation, list) : ListJobs(invocation, list);
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

Command JobsCommand() {
  Command command{"jobs",
                  StrCat(kJobFilterUsage, " [--limit N] [--sort KEY] [--reverse] [--watch]"),
                  "List jobs, newest first."};
  command.examples =
      "closewrite jobs --state failed --since 2h\n"
      "closewrite jobs --pipeline enrich --sort duration --limit 10\n"
      "closewrite jobs --watch -o json\n"
      "closewrite jobs --state failed -o name | xargs closewrite redrive\n";
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ListOptions>();
    DeclareJobFilter(app, &options->filter);
    app.add_option("-n,--limit", options->list.limit, "At most this many; 0: all")
        ->capture_default_str();
    app.add_option("--sort", options->list.sort,
                   "id, created, duration, state, pipeline or input; the newest or longest first")
        ->check(
            CLI::IsMember(std::vector<std::string>(std::begin(kSortKeys), std::end(kSortKeys))));
    app.add_flag("--reverse", options->list.reverse, "The other way round; by id without --sort");
    app.add_flag("-w,--watch", options->watch,
                 "Go on with a row for each change, until Ctrl-C or --timeout");
    return [options](Invocation& invocation) { return Jobs(invocation, *options); };
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

}  // namespace

std::vector<Command> JobsCommands() {
  std::vector<Command> commands = {JobsCommand(), JobCommand()};
  for (Command& command : JobChangeCommands()) commands.push_back(std::move(command));
  return commands;
}

}  // namespace closewrite::cli
