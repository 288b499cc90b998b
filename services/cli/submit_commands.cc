#include "services/cli/submit_commands.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "services/cli/file_argument.h"
#include "services/cli/input_wait.h"
#include "services/cli/job_output.h"
#include "services/cli/job_wait.h"
#include "services/cli/log_follow.h"
#include "services/cli/output_wait.h"
#include "services/cli/replay_command.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What one call of the API takes.
constexpr size_t kFilesPerCallMax = 1000;

struct SubmitOptions {
  std::vector<std::string> files;
  std::string pipeline;
  std::string key;
  int priority = 0;
  bool wait = false;
  bool log = false;
};

struct WaitOptions {
  std::vector<int64_t> job_ids;
  std::string input;
  std::string volume;
  std::string match;
  std::optional<int64_t> count;
};

absl::StatusOr<v1::SubmitJobsResponse> SubmitSome(Invocation& invocation,
                                                  v1::SubmitJobsRequest& request) {
  Client& client = invocation.client();
  v1::SubmitJobsResponse response;
  const absl::Status status = client.Call([&](grpc::ClientContext* context) {
    return client.jobs().SubmitJobs(context, request, &response);
  });
  if (!status.ok()) return status;
  for (const v1::Job& job : response.jobs()) {
    const auto& existing = response.existing_job_ids();
    if (std::find(existing.begin(), existing.end(), job.id()) == existing.end()) continue;
    invocation.Note(StrCat("job ", job.id(), " existed already (", StateCell(job).text,
                           "): ", VolumePathText(job.input().volume(), job.input().path())));
  }
  return response;
}

// Prints the jobs of each call at once, so that no id is lost if a later call fails.
struct Submitted {
  std::vector<int64_t> job_ids;
  bool all_new = true;  // none was there before
};

absl::StatusOr<Submitted> SubmitAll(Invocation& invocation, const SubmitOptions& options) {
  FileArguments arguments(&invocation);
  std::vector<v1::VolumePath> files;
  for (const std::string& argument : options.files) {
    auto file = arguments.Map(argument);
    if (!file.ok()) return file.status();
    files.push_back(*std::move(file));
  }
  Submitted submitted;
  for (size_t from = 0; from < files.size(); from += kFilesPerCallMax) {
    v1::SubmitJobsRequest request;
    request.set_pipeline(options.pipeline);
    request.set_priority(options.priority);
    request.set_request_id(options.key.empty() ? NewRequestId() : options.key);
    // One key stands for one call; the parts of a long list need keys of their own.
    if (!options.key.empty() && from > 0) request.set_request_id(StrCat(options.key, "/", from));
    const size_t end = std::min(files.size(), from + kFilesPerCallMax);
    for (size_t i = from; i < end; ++i) *request.add_files() = files[i];
    const auto response = SubmitSome(invocation, request);
    if (!response.ok()) return response.status();
    PrintJobs(invocation, {response->jobs().begin(), response->jobs().end()}, Format::kName);
    for (const v1::Job& job : response->jobs()) submitted.job_ids.push_back(job.id());
    submitted.all_new = submitted.all_new && response->existing_job_ids().empty();
  }
  return submitted;
}

absl::StatusOr<int> Submit(Invocation& invocation, const SubmitOptions& options) {
  if (options.log && !options.wait) return UsageError("--log needs --wait");
  const auto submitted = SubmitAll(invocation, options);
  if (!submitted.ok()) return submitted.status();
  if (!options.wait) return kExitOk;
  if (options.log) {
    for (const int64_t id : submitted->job_ids) {
      const absl::Status status =
          CopyLog(invocation, {.job_id = id, .follow = true}, invocation.err());
      // What else went wrong comes up again, and is said better, in the wait itself.
      if (!status.ok() && !absl::IsNotFound(status)) break;
    }
  }
  return WaitForJobs(invocation, submitted->job_ids,
                     {.print_results = false, .may_cancel = submitted->all_new});
}

absl::StatusOr<int> Wait(Invocation& invocation, const WaitOptions& options) {
  const int wishes = !options.job_ids.empty() + !options.input.empty() + !options.volume.empty();
  if (wishes != 1) {
    return UsageError(
        "name either jobs, or --input with --match, or --volume with --match: what to wait for?");
  }
  if (!options.job_ids.empty()) {
    if (!options.match.empty()) {
      return UsageError("--match goes with --input or --volume, not with jobs");
    }
    return WaitForJobs(invocation, options.job_ids, {});
  }
  if (!options.input.empty()) {
    if (options.count.has_value())
      return UsageError("--count goes with --volume, not with --input");
    return WaitForInputs(invocation, {options.input, options.match});
  }
  const int64_t count = options.count.value_or(1);
  if (count < 1) return UsageError("--count: use a positive number");
  return WaitForOutputs(invocation, {options.volume, options.match, count});
}

Command SubmitCommand(const std::string& name) {
  Command command{name, "[--wait [--log]] [--pipeline P] FILE...",
                  name == "run" ? "The same as submit." : "Make jobs of finished files."};
  command.examples =
      StrCat("closewrite ", name, " --pipeline enrich unenriched:2026/a.csv\n", "closewrite ", name,
             " --wait --log --timeout 10m /srv/unenriched/a.csv\n");
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<SubmitOptions>();
    app.add_option("FILE", options->files, "volume:relative/path, or a path on this host")
        ->required();
    app.add_option("-p,--pipeline", options->pipeline,
                   "Which pipeline; by default the one whose rule takes the file");
    app.add_option("--priority", options->priority,
                   "Among the jobs of its pipeline the larger runs first; -1000 to 1000");
    app.add_flag("--wait", options->wait, "Wait for the results; exit with the command's own code");
    app.add_flag("--log", options->log, "With --wait: show the commands' logs on stderr");
    app.add_option("--idempotency-key", options->key,
                   "The same key within 24 hours gives the same answer and changes nothing");
    return [options](Invocation& invocation) { return Submit(invocation, *options); };
  };
  return command;
}

Command WaitCommand() {
  Command command{"wait",
                  "JOB... | --input V [--match GLOB] | --volume V [--match GLOB] [--count N]",
                  "Wait until jobs are finished, or until results are in place."};
  command.examples =
      "closewrite wait 41 42 --timeout 30s\n"
      "closewrite wait --input unenriched --match '2026/**' --timeout 5m\n"
      "closewrite wait --volume enriched --match '2026/*.csv' --count 40 --timeout 5m\n";
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<WaitOptions>();
    app.add_option("JOB", options->job_ids, "Numbers of jobs");
    app.add_option("--input", options->input,
                   "Wait until everything that happened in this volume until now is known, and the "
                   "jobs of its files have ended");
    app.add_option("--volume", options->volume, "Wait for files published into this volume");
    app.add_option("--match", options->match, "Only files that match this glob; ** by default");
    app.add_option("--count", options->count,
                   "With --volume: until there are so many different ones; 1 by default");
    return [options](Invocation& invocation) { return Wait(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> SubmitCommands() {
  return {SubmitCommand("submit"), SubmitCommand("run"), WaitCommand(), ReplayCommand()};
}

}  // namespace closewrite::cli
