// How many jobs there are, without loading the store each time that somebody asks.
#ifndef SERVICES_COORDINATOR_API_JOB_COUNTER_H_
#define SERVICES_COORDINATOR_API_JOB_COUNTER_H_

#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Of one state so many jobs are counted, beside those that are available.
inline constexpr int64_t kCountedMax = 100'000;
// Jobs are counted again after this long, and not before the count has been idle for this many
// times as long as it took.
inline constexpr absl::Duration kCountPause = absl::Milliseconds(500);
inline constexpr int kCountPauseFactor = 20;

// Thread-safe.
class JobCounter {
 public:
  // `store` is not owned.
  explicit JobCounter(Store* store) : store_(*store) {}

  // By pipeline and state; those of before while somebody else counts, or has just done so.
  absl::StatusOr<std::vector<JobCount>> Counts();

 private:
  Store& store_;
  absl::Mutex mutex_;
  bool counting_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::vector<JobCount>> counts_ ABSL_GUARDED_BY(mutex_);
  absl::Duration count_again_at_ ABSL_GUARDED_BY(mutex_);  // since boot
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_JOB_COUNTER_H_
