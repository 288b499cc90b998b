#include "services/coordinator/api/job_counter.h"

#include <algorithm>
#include <utility>

#include "services/clock/clock.h"

namespace closewrite {

absl::StatusOr<std::vector<JobCount>> JobCounter::Counts() {
  {
    absl::MutexLock lock(&mutex_);
    // Nobody is told that there are no jobs just because they are counted for the first time.
    const auto known = [this] {
      mutex_.AssertHeld();
      return !counting_ || counts_.has_value();
    };
    mutex_.Await(absl::Condition(&known));
    if (counts_.has_value() && (counting_ || SinceBoot() < count_again_at_)) return *counts_;
    counting_ = true;
  }
  const absl::Duration began = SinceBoot();
  std::vector<JobCount> counts;
  absl::Status read = store_.Read([&](StoreReader& reader) {
    counts = reader.CountJobs(kCountedMax);
    return absl::OkStatus();
  });
  const absl::Duration took = SinceBoot() - began;
  absl::MutexLock lock(&mutex_);
  counting_ = false;
  count_again_at_ = began + took + std::max(kCountPause, took * kCountPauseFactor);
  if (!read.ok()) return read;
  counts_ = counts;
  return counts;
}

}  // namespace closewrite
