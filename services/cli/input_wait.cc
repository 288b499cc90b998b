#include "services/cli/input_wait.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "services/cli/file_argument.h"
#include "services/cli/flush_wait.h"
#include "services/cli/job_filter.h"
#include "services/cli/job_output.h"
#include "services/cli/job_wait.h"
#include "services/log/str_cat.h"
#include "services/volume/glob.h"

namespace closewrite::cli {
namespace {

class InputWait {
 public:
  InputWait(Invocation& invocation, const InputWaitOptions& options, Glob glob)
      : invocation_(invocation),
        options_(options),
        glob_(std::move(glob)),
        one_file_(options.match.find_first_of("*?[{\\") == std::string::npos &&
                  !options.match.empty()) {}

  absl::StatusOr<int> Run() {
    absl::Status status = Begin();
    if (status.ok()) {
      status = FlushVolume(invocation_, options_.volume, invocation_.deadline());
    }
    if (absl::IsDeadlineExceeded(status)) return TimeOut(ToStd(status.message()));
    if (!status.ok()) return status;
    int first_failure = kExitOk;
    // A job that ends may have made way for that of a newer version.
    for (;;) {
      status = Collect();
      if (!status.ok()) return status;
      if (found_.empty()) return waited_.empty() ? NoneFound() : first_failure;
      const std::vector<int64_t> ids(found_.begin(), found_.end());
      waited_.merge(found_);
      found_.clear();
      const auto code = WaitForJobs(invocation_, ids, {.cancelled_fails = false});
      if (!code.ok()) return code;
      if (*code == kExitTimedOut || *code == kExitInterrupted) return *code;
      if (first_failure == kExitOk) first_failure = *code;
    }
  }

 private:
  // Jobs that end while the volume is flushed count too.
  absl::Status Begin() {
    absl::Status listed = List(OfVolume(), 1, [&](const v1::Job& job) {
      newest_before_ = job.id();
      return true;
    });
    return listed.ok() ? CollectUnfinished() : listed;
  }

  absl::Status Collect() {
    if (absl::Status s = CollectUnfinished(); !s.ok()) return s;
    absl::Status listed = List(OfVolume(), 0, [&](const v1::Job& job) {
      if (job.id() <= newest_before_) return false;
      Add(job);
      return true;
    });
    if (!listed.ok() || !one_file_) return listed;
    v1::JobFilter file = OfVolume();
    file.set_input_path(options_.match);
    std::set<std::string> pipelines;
    return List(file, 0, [&](const v1::Job& job) {
      if (pipelines.insert(job.pipeline()).second) Add(job);
      return true;
    });
  }

  absl::Status CollectUnfinished() {
    v1::JobFilter filter = OfVolume();
    for (const v1::JobState state :
         {v1::JOB_STATE_SCHEDULED, v1::JOB_STATE_AVAILABLE, v1::JOB_STATE_RUNNING,
          v1::JOB_STATE_PUBLISHING, v1::JOB_STATE_RETRYING}) {
      filter.add_states(state);
    }
    return List(filter, 0, [&](const v1::Job& job) {
      Add(job);
      return true;
    });
  }

  v1::JobFilter OfVolume() const {
    v1::JobFilter filter;
    filter.set_input_volume(options_.volume);
    return filter;
  }

  // See ForEachJob; nobody asks whether some are left.
  absl::Status List(const v1::JobFilter& filter, int64_t limit,
                    const std::function<bool(const v1::Job&)>& take) {
    bool more = false;
    return ForEachJob(invocation_, filter, limit, take, &more);
  }

  void Add(const v1::Job& job) {
    if (!glob_.Matches(job.input().path()) || waited_.count(job.id()) > 0) return;
    found_.insert(job.id());
  }

  // A file that was named was expected to have one.
  absl::StatusOr<int> NoneFound() {
    if (options_.match.empty()) return kExitOk;
    const std::string what = VolumePathText(options_.volume, options_.match);
    if (one_file_) {
      return absl::NotFoundError(
          StrCat("there is no job of ", what, "; `closewrite explain ", what, "` says why"));
    }
    invocation_.Note(StrCat("no job of ", what, " was unfinished"));
    return kExitOk;
  }

  int TimeOut(std::string_view why) {
    for (const int64_t id : found_) {
      if (invocation_.json()) {
        invocation_.PrintJson({{"id", id}, {"state", nullptr}});
      } else {
        invocation_.out() << id << "\n";
      }
    }
    invocation_.Note(
        StrCat("the wait timed out before volume ", options_.volume, " was flushed: ", why));
    return kExitTimedOut;
  }

  Invocation& invocation_;
  const InputWaitOptions options_;
  const Glob glob_;
  const bool one_file_;
  int64_t newest_before_ = 0;
  std::set<int64_t> found_;   // not waited for yet
  std::set<int64_t> waited_;  // done with
};

}  // namespace

absl::StatusOr<int> WaitForInputs(Invocation& invocation, const InputWaitOptions& options) {
  auto glob = Glob::Parse(options.match.empty() ? "**" : options.match);
  if (!glob.ok()) return UsageError(StrCat("--match: ", glob.status().message()));
  return InputWait(invocation, options, *std::move(glob)).Run();
}

}  // namespace closewrite::cli
