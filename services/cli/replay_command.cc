#include "services/cli/replay_command.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/confirm.h"
#include "services/cli/file_argument.h"
#include "services/cli/in_parts.h"
#include "services/cli/job_filter.h"
#include "services/cli/job_output.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

// Files that one run submits again.
constexpr size_t kReplayedFilesMax = 100'000;
// ErrorInfo reason of NOT_FOUND when it is not a file that is gone.
constexpr std::string_view kNoPipeline = "PIPELINE_NOT_FOUND";

struct ReplayOptions {
  JobFilterOptions filter;
  int priority = 0;
  bool dry_run = false;
  bool yes = false;
};

std::string CountText(size_t files) { return StrCat(files, files == 1 ? " file" : " files"); }

class Replay {
 public:
  Replay(Invocation& invocation, const ReplayOptions& options)
      : invocation_(invocation), options_(options) {}

  absl::StatusOr<int> Run() {
    if (options_.filter.since.empty() && options_.filter.match.empty()) {
      return UsageError("say which files: those of jobs made --since a time, or that --match");
    }
    const absl::Status status = Find();
    if (!status.ok()) return status;
    if (files_.empty()) {
      invocation_.Note(
          StrCat("no such job of pipeline ", options_.filter.pipeline, "; nothing to replay"));
      return kExitOk;
    }
    if (options_.dry_run) return Preview();
    if (files_.size() > 1 && !options_.yes) {
      const auto yes = Confirm(invocation_, StrCat("replay ", CountText(files_.size())));
      if (!yes.ok()) return yes.status();
      if (!*yes) {
        invocation_.Note("nothing was changed");
        return kExitRefused;
      }
    }
    return Submit();
  }

 private:
  // The files in the order of their first jobs.
  absl::Status Find() {
    const auto filter = MakeJobFilter(options_.filter, invocation_.now());
    if (!filter.ok()) return filter.status();
    std::set<std::pair<std::string, std::string>> seen;
    bool more = false;
    bool full = false;
    absl::Status status = ForEachJob(
        invocation_, *filter, 0,
        [&](const v1::Job& job) {
          const v1::FileVersion& input = job.input();
          if (input.path().empty()) return true;  // a task's run
          if (!seen.emplace(input.volume(), input.path()).second) return true;
          full = files_.size() == kReplayedFilesMax;
          if (full) return false;
          files_.emplace_back().set_volume(input.volume());
          files_.back().set_path(input.path());
          return true;
        },
        &more);
    if (full) {
      invocation_.Note(StrCat("there are more files than ", kReplayedFilesMax,
                              ", which is the limit of one run; the oldest are left out"));
    }
    std::reverse(files_.begin(), files_.end());
    return status;
  }

  int Preview() {
    for (const v1::VolumePath& file : files_) {
      if (invocation_.json()) {
        invocation_.PrintJson(ToJson(file));
      } else {
        invocation_.out() << VolumePathText(file.volume(), file.path()) << "\n";
      }
    }
    invocation_.Note(StrCat("dry run: ", CountText(files_.size()),
                            " would be submitted again; nothing was changed"));
    return kExitOk;
  }

  absl::StatusOr<int> Submit() {
    size_t refusals = 0;
    const absl::Status status = CallInParts<v1::VolumePath>(
        files_, [&](absl::Span<const v1::VolumePath> part) { return SubmitSome(part); },
        [&](const v1::VolumePath& file, const absl::Status& why) {
          ++refusals;
          invocation_.Note(StrCat(VolumePathText(file.volume(), file.path()),
                                  " was not submitted: ", why.message()));
        });
    if (!status.ok()) return status;
    if (refusals == 0) return kExitOk;
    invocation_.Note(StrCat(refusals, " of ", CountText(files_.size()), " could not be submitted"));
    return kExitRefused;
  }

  // Prints the jobs at once, so that no id is lost if a later call fails.
  absl::Status SubmitSome(absl::Span<const v1::VolumePath> files) {
    v1::SubmitJobsRequest request;
    request.set_request_id(NewRequestId());
    request.set_pipeline(options_.filter.pipeline);
    request.set_priority(options_.priority);
    request.set_again(true);
    for (const v1::VolumePath& file : files) *request.add_files() = file;
    v1::SubmitJobsResponse response;
    Client& client = invocation_.client();
    absl::Status status = client.Call([&](grpc::ClientContext* context) {
      return client.jobs().SubmitJobs(context, request, &response);
    });
    // No file is at fault then, so none must be looked for.
    if (Reason(status) == kNoPipeline) return absl::AbortedError(status.message());
    if (!status.ok()) return status;
    PrintJobs(invocation_, {response.jobs().begin(), response.jobs().end()}, Format::kName);
    return status;
  }

  Invocation& invocation_;
  const ReplayOptions& options_;
  std::vector<v1::VolumePath> files_;
};

}  // namespace

Command ReplayCommand() {
  Command command{"replay",
                  "--pipeline P --since TIME|--match GLOB [--state S,...] [--dry-run] [--yes]",
                  "Submit the files of a pipeline's earlier jobs again, each once, as new jobs."};
  command.examples =
      "closewrite replay --pipeline enrich --since 2d --dry-run\n"
      "closewrite replay --pipeline enrich --match '2026/11/**' --state succeeded --yes\n";
  command.names = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<ReplayOptions>();
    DeclareJobFilter(app, &options->filter);
    app.get_option("--pipeline")->required();
    app.add_option("--priority", options->priority,
                   "Among the jobs of its pipeline the larger runs first; -1000 to 1000");
    app.add_flag("--dry-run", options->dry_run, "Only print the files; submit nothing");
    app.add_flag("-y,--yes", options->yes, "Don't ask before several files are submitted");
    return [options](Invocation& invocation) { return Replay(invocation, *options).Run(); };
  };
  return command;
}

}  // namespace closewrite::cli
