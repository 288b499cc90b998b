#include <functional>
#include <map>

#include "services/cli/job_list.h"
#include "services/cli/job_output.h"
#include "services/cli/unknown_names.h"

namespace closewrite::cli {
namespace {

// Jobs whose newest state is known, so that it is not printed twice after a break; of more the
// older are forgotten.
constexpr size_t kKnownJobsMax = 1'000'000;
// What `--limit 0` means for the first list.
constexpr size_t kListedJobsMax = 100'000;

class JobListWatch {
 public:
  JobListWatch(Invocation& invocation, const JobListOptions& options)
      : invocation_(invocation),
        listed_max_(options.limit == 0 ? kListedJobsMax : static_cast<size_t>(options.limit)),
        filter_(options.filter),
        printer_(invocation, Format::kTable, /*live=*/true) {}

  absl::StatusOr<int> Run() {
    v1::WatchJobsRequest request;
    *request.mutable_filter() = filter_;
    Client& client = invocation_.client();
    const absl::Status status = client.Follow<v1::WatchJobsResponse>(
        invocation_.deadline(),
        [&](grpc::ClientContext* context) {
          live_ = false;  // all jobs come again
          return client.jobs().WatchJobs(context, request);
        },
        [&](const v1::WatchJobsResponse& response) {
          if (response.has_job()) See(response.job());
          if (response.snapshot_complete()) PrintNews();
          return invocation_.out().good();
        });
    if (absl::IsDeadlineExceeded(status)) return kExitTimedOut;
    if (!status.ok()) return status;
    return kExitOk;
  }

 private:
  // What a reader would call the same; how long it still waits changes all the time.
  size_t Fingerprint(const v1::Job& job) const {
    v1::Job shown = job;
    if (shown.has_waiting()) shown.mutable_waiting()->clear_message();
    if (!invocation_.json() && !invocation_.wide()) {
      shown.Clear();
      shown.set_state(job.state());
      shown.set_cancelling(job.cancelling());
      shown.set_attempts(job.attempts());
      shown.set_host(job.host());
      shown.set_message(job.message());
      shown.mutable_waiting()->set_reason(job.waiting().reason());
    }
    return std::hash<std::string>()(shown.SerializeAsString());
  }

  void See(const v1::Job& job) {
    const size_t fingerprint = Fingerprint(job);
    const auto [known, added] = known_.emplace(job.id(), fingerprint);
    if (!added && known->second == fingerprint) return;
    known->second = fingerprint;
    if (known_.size() > kKnownJobsMax) known_.erase(known_.begin());
    if (live_) {
      printer_.Add(job);
      printer_.Flush();
      return;
    }
    news_[job.id()] = job;
    if (!listed_ && news_.size() > listed_max_) news_.erase(news_.begin());
  }

  // The first time a list as that of `jobs`, afterwards what has changed during a break.
  void PrintNews() {
    if (listed_) {
      for (const auto& [id, job] : news_) printer_.Add(job);
    } else {
      for (auto news = news_.rbegin(); news != news_.rend(); ++news) printer_.Add(news->second);
    }
    printer_.Flush();
    if (!listed_ && news_.empty()) NoteUnknownNames(invocation_, filter_);
    news_.clear();
    listed_ = live_ = true;
  }

  Invocation& invocation_;
  const size_t listed_max_;
  const v1::JobFilter filter_;
  JobPrinter printer_;
  std::map<int64_t, size_t> known_;  // fingerprints by id
  std::map<int64_t, v1::Job> news_;  // not printed yet, before the snapshot is complete
  bool listed_ = false;
  bool live_ = false;
};

}  // namespace

absl::StatusOr<int> WatchJobs(Invocation& invocation, const JobListOptions& options) {
  return JobListWatch(invocation, options).Run();
}

}  // namespace closewrite::cli
