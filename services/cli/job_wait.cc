#include "services/cli/job_wait.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "services/cli/file_argument.h"
#include "services/cli/job_output.h"
#include "services/cli/progress_bar.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// JobFilter takes no more; longer lists are waited for one part after the other.
constexpr size_t kJobsPerStreamMax = 1000;

class JobWait {
 public:
  JobWait(Invocation& invocation, std::vector<int64_t> job_ids, const JobWaitOptions& options)
      : invocation_(invocation),
        options_(options),
        job_ids_(std::move(job_ids)),
        bar_({.out = &invocation.err(),
              .enabled = invocation.console().err_terminal,
              .width = invocation.console().err_width,
              .unit = job_ids_.size() > 1 ? "jobs" : ""}) {}

  absl::StatusOr<int> Run() {
    for (size_t from = 0; from < job_ids_.size(); from += kJobsPerStreamMax) {
      const absl::Status status = WatchPart(from);
      bar_.Clear();
      if (absl::IsCancelled(status)) return Detach();
      if (absl::IsDeadlineExceeded(status)) return TimeOut();
      if (!status.ok()) {
        PrintUnfinished();
        return status;
      }
    }
    return ExitCodeOfFirstFailure();
  }

 private:
  absl::Status WatchPart(size_t from) {
    v1::WatchJobsRequest request;
    size_t left = 0;
    const size_t end = std::min(job_ids_.size(), from + kJobsPerStreamMax);
    for (size_t i = from; i < end; ++i) {
      request.mutable_filter()->add_job_ids(job_ids_[i]);
      left += finished_.count(job_ids_[i]) == 0 ? 1 : 0;
    }
    Client& client = invocation_.client();
    return client.Follow<v1::WatchJobsResponse>(
        invocation_.deadline(),
        [&](grpc::ClientContext* context) { return client.jobs().WatchJobs(context, request); },
        [&](const v1::WatchJobsResponse& response) {
          if (response.has_job() && See(response.job())) --left;
          live_ = live_ || response.snapshot_complete();
          if (live_) Draw();
          return left > 0;
        });
  }

  // True when the job has just become final.
  bool See(const v1::Job& job) {
    latest_[job.id()] = job;
    const bool finished = IsFinal(job) && finished_.emplace(job.id(), job).second;
    if (finished) PrintFinished(job);
    return finished;
  }

  // Many jobs: how many are finished. One job: what its command says about itself.
  void Draw() {
    if (job_ids_.size() > 1) {
      bar_.Update(static_cast<int64_t>(finished_.size()), static_cast<int64_t>(job_ids_.size()),
                  invocation_.now());
      return;
    }
    const v1::Progress& progress = latest_[job_ids_.front()].progress();
    bar_.SetUnit(progress.unit());
    if (progress.total() > 0) bar_.Update(progress.done(), progress.total(), invocation_.now());
  }

  void PrintFinished(const v1::Job& job) {
    bar_.Clear();
    if (job.state() != v1::JOB_STATE_SUCCEEDED) {
      std::string note = StrCat("job ", job.id(), " ", StateCell(job).text);
      if (!WhyText(job).empty()) StrAppend(&note, ": ", WhyText(job));
      if (job.state() == v1::JOB_STATE_FAILED) {
        StrAppend(&note, "; see `closewrite logs ", job.id(), "`");
      }
      invocation_.Note(note);
    }
    if (invocation_.json()) return invocation_.PrintJson(ToJson(job));
    if (job.state() != v1::JOB_STATE_SUCCEEDED) return;
    std::ostream& to = options_.print_results ? invocation_.out() : invocation_.err();
    for (const v1::OutputFile& file : job.outputs()) {
      to << VolumePathText(job.output_volume(), file.path()) << "\n";
    }
    to << std::flush;
  }

  std::vector<int64_t> Unfinished() const {
    std::vector<int64_t> unfinished;
    std::copy_if(job_ids_.begin(), job_ids_.end(), std::back_inserter(unfinished),
                 [&](int64_t id) { return finished_.count(id) == 0; });
    return unfinished;
  }

  // So that a script never loses the id of a job that it waited for.
  void PrintUnfinished() {
    if (!options_.print_results) return;
    for (const int64_t id : Unfinished()) {
      if (!invocation_.json()) {
        invocation_.out() << id << "\n";
      } else if (latest_.count(id) > 0) {
        invocation_.PrintJson(ToJson(latest_.at(id)));
      } else {
        invocation_.PrintJson({{"id", id}, {"state", nullptr}});
      }
    }
    invocation_.out() << std::flush;
  }

  std::string AttachAgain() const {
    std::string command = "closewrite ";
    const auto repeat = [&](std::string_view flag, const std::string& value) {
      if (!value.empty()) StrAppend(&command, flag, " ", value, " ");
    };
    repeat("--coordinator", invocation_.options().coordinator);
    repeat("--context", invocation_.options().context);
    repeat("--tls", invocation_.options().tls);
    repeat("--access-token-file", invocation_.options().access_token_file);
    return StrCat(command, "wait ", JobIdsText(Unfinished()));
  }

  int TimeOut() {
    PrintUnfinished();
    const auto left = Unfinished();
    invocation_.Note(StrCat("the wait timed out; ", left.size(), " of ", job_ids_.size(),
                            " jobs go on. Attach again: ", AttachAgain()));
    return kExitTimedOut;
  }

  int Detach() {
    Interrupts& interrupts = *invocation_.console().interrupts;
    interrupts.Acknowledge();
    PrintUnfinished();
    std::string note = StrCat("detached; ", Unfinished().size(), " of ", job_ids_.size(),
                              " jobs go on. Attach again: ", AttachAgain());
    if (options_.may_cancel) {
      StrAppend(&note, "  (Ctrl-C again within ", absl::FormatDuration(kCancelWindow),
                " cancels them)");
    }
    invocation_.Note(note);
    if (options_.may_cancel && interrupts.Wait(kCancelWindow)) {
      interrupts.Acknowledge();
      Cancel();
    }
    return kExitInterrupted;
  }

  // One by one: a job that is being published can't be cancelled, and must not save the others.
  void Cancel() {
    Client& client = invocation_.client();
    for (const int64_t id : Unfinished()) {
      v1::CancelJobsRequest request;
      request.set_request_id(NewRequestId());
      request.add_job_ids(id);
      request.set_reason("Ctrl-C");
      v1::CancelJobsResponse response;
      const absl::Status status = client.Call([&](grpc::ClientContext* context) {
        return client.jobs().CancelJobs(context, request, &response);
      });
      invocation_.Note(status.ok() ? StrCat("job ", id, " cancelled") : StrCat(status.message()));
      if (absl::IsCancelled(status) || absl::IsUnavailable(status)) return;
    }
  }

  absl::StatusOr<int> ExitCodeOfFirstFailure() {
    for (const int64_t id : job_ids_) {
      const v1::Job& job = finished_.at(id);
      const bool excused = job.state() == v1::JOB_STATE_CANCELLED && !options_.cancelled_fails;
      if (job.state() != v1::JOB_STATE_SUCCEEDED && !excused) return ExitCodeOfJob(job);
    }
    return kExitOk;
  }

  absl::StatusOr<int> ExitCodeOfJob(const v1::Job& job) {
    if (job.state() == v1::JOB_STATE_CANCELLED) return kExitRefused;
    if (job.exit_code() != 0) return job.exit_code();
    Client& client = invocation_.client();
    v1::GetJobRequest request;
    request.set_job_id(job.id());
    v1::GetJobResponse response;
    const absl::Status status = client.Call([&](grpc::ClientContext* context) {
      return client.jobs().GetJob(context, request, &response);
    });
    if (!status.ok()) return status;
    if (response.attempts().empty()) return kExitRefused;
    const v1::Attempt& last = *response.attempts().rbegin();
    return last.signal() != 0 ? 128 + last.signal() : kExitRefused;
  }

  Invocation& invocation_;
  const JobWaitOptions options_;
  const std::vector<int64_t> job_ids_;
  bool live_ = false;  // jobs that were finished before the wait say nothing about its speed
  std::map<int64_t, v1::Job> latest_;
  std::map<int64_t, v1::Job> finished_;  // as they were when they became final
  ProgressBar bar_;
};

}  // namespace

absl::StatusOr<int> WaitForJobs(Invocation& invocation, const std::vector<int64_t>& job_ids,
                                const JobWaitOptions& options) {
  std::vector<int64_t> distinct;
  std::set<int64_t> seen;
  for (const int64_t id : job_ids) {
    if (seen.insert(id).second) distinct.push_back(id);
  }
  return JobWait(invocation, std::move(distinct), options).Run();
}

}  // namespace closewrite::cli
