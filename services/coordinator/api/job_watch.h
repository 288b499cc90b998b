// What JobService.WatchJobs says: the jobs that match, then each one that changes.
#ifndef SERVICES_COORDINATOR_API_JOB_WATCH_H_
#define SERVICES_COORDINATOR_API_JOB_WATCH_H_

#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/api/job_sieve.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/api/recent_ids.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

// Changed jobs that may wait for one reader; past that its stream ends with RESOURCE_EXHAUSTED.
inline constexpr size_t kWatchedJobsMax = 65536;
// Jobs sent between two turns of other streams.
inline constexpr int64_t kWatchBatchRows = 256;
// Of a shared store: pages of the newest jobs that are looked through, once others have changed
// some, for those that were not sent yet.
inline constexpr int kWatchPagesMax = 64;

// Only ids wait: each job is read again when it is its turn, so that many changes of a job count as
// one and the newest state always comes.
class JobWatch : public StreamSource<v1::WatchJobsResponse> {
 public:
  // `loop` is not owned. NOT_FOUND comes out of Next.
  JobWatch(StoreLoop* loop, JobFilter filter, JobSieve sieve);

  absl::StatusOr<Batch> Next() override;
  bool OnChange(const Effects& effects) override;

 private:
  enum class Phase { kCheck, kSnapshot, kLive };

  absl::Status CheckIds();
  absl::StatusOr<Batch> Snapshot();
  absl::StatusOr<Batch> Changes();
  bool Wants(const Job& job) const;
  void Note(const Job& job);
  absl::Status Look(StoreReader& reader);

  StoreLoop& loop_;
  const JobFilter filter_;
  const absl::flat_hash_set<JobId> ids_;  // those of the filter
  JobFilter apart_from_ids_;
  const JobSieve sieve_;

  // Used by Next alone.
  Phase phase_ = Phase::kCheck;
  JobId before_;
  // Likewise, of a shared store.
  RecentIds known_{kWatchedJobsMax};
  JobId floor_;                      // jobs up to here were there when the call came
  absl::flat_hash_set<JobId> open_;  // sent, and not in a final state then

  absl::Mutex mutex_;
  std::deque<JobId> changed_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<JobId> waiting_ ABSL_GUARDED_BY(mutex_);  // the same ids
  bool overflow_ ABSL_GUARDED_BY(mutex_) = false;
  bool look_ ABSL_GUARDED_BY(mutex_) = false;  // others may have changed jobs
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_JOB_WATCH_H_
