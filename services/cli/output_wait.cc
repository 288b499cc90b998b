#include "services/cli/output_wait.h"

#include <set>
#include <utility>

#include "services/cli/file_argument.h"
#include "services/cli/job_output.h"
#include "services/cli/progress_bar.h"
#include "services/cli/unknown_names.h"
#include "services/log/str_cat.h"
#include "services/volume/glob.h"

namespace closewrite::cli {
namespace {

class OutputWait {
 public:
  OutputWait(Invocation& invocation, const OutputWaitOptions& options, Glob glob)
      : invocation_(invocation),
        options_(options),
        glob_(std::move(glob)),
        bar_({.out = &invocation.err(),
              .enabled = invocation.console().err_terminal && options.count > 1,
              .width = invocation.console().err_width,
              .unit = "files"}) {}

  absl::StatusOr<int> Run() {
    v1::WatchJobsRequest request;
    request.mutable_filter()->set_output_volume(options_.volume);
    Client& client = invocation_.client();
    const absl::Status status = client.Follow<v1::WatchJobsResponse>(
        invocation_.deadline(),
        [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, request); },
        [&](const v1::WatchJobsResponse& response) {
          if (response.has_job()) See(response.job());
          if (response.snapshot_complete() && !live_) {
            live_ = true;
            if (Count() == 0) NoteUnknownNames(invocation_, request.filter());
          }
          if (live_) bar_.Update(Count(), options_.count, invocation_.now());
          return Count() < options_.count;
        });
    bar_.Clear();
    if (status.ok()) return kExitOk;
    const std::string so_far = StrCat(Count(), " of ", options_.count, " files are there");
    if (absl::IsDeadlineExceeded(status)) {
      invocation_.Note(StrCat("the wait timed out; ", so_far));
      return kExitTimedOut;
    }
    if (absl::IsCancelled(status)) {
      invocation_.console().interrupts->Acknowledge();
      invocation_.Note(StrCat("interrupted; ", so_far, "; the same command waits again"));
      return kExitInterrupted;
    }
    return status;
  }

 private:
  int64_t Count() const { return static_cast<int64_t>(seen_.size()); }

  void See(const v1::Job& job) {
    if (job.state() == v1::JOB_STATE_FAILED && failed_.insert(job.id()).second) {
      bar_.Clear();
      invocation_.Note(StrCat("job ", job.id(), " failed: ", WhyText(job),
                              "; see `closewrite logs ", job.id(), "`"));
    }
    if (job.state() == v1::JOB_STATE_SUCCEEDED) {
      for (const v1::OutputFile& file : job.outputs()) SeeFile(job, file);
    }
  }

  void SeeFile(const v1::Job& job, const v1::OutputFile& file) {
    if (Count() >= options_.count || !glob_.Matches(file.path())) return;
    if (!seen_.insert(file.path()).second) return;
    if (invocation_.console().out_terminal) bar_.Clear();
    if (invocation_.json()) {
      Json json = {{"volume", job.output_volume()}};
      json.update(ToJson(file));
      json["job_id"] = job.id();
      return invocation_.PrintJson(json);
    }
    invocation_.out() << VolumePathText(job.output_volume(), file.path()) << std::endl;
  }

  Invocation& invocation_;
  const OutputWaitOptions options_;
  const Glob glob_;
  bool live_ = false;  // what was there before the wait says nothing about its speed
  std::set<std::string> seen_;
  std::set<int64_t> failed_;
  ProgressBar bar_;
};

}  // namespace

absl::StatusOr<int> WaitForOutputs(Invocation& invocation, const OutputWaitOptions& options) {
  auto glob = Glob::Parse(options.match.empty() ? "**" : options.match);
  if (!glob.ok()) return UsageError(StrCat("--match: ", glob.status().message()));
  return OutputWait(invocation, options, *std::move(glob)).Run();
}

}  // namespace closewrite::cli
