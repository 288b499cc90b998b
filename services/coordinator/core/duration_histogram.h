// How long many things took, in little memory: counts in steps that grow with the durations.
#ifndef SERVICES_COORDINATOR_CORE_DURATION_HISTOGRAM_H_
#define SERVICES_COORDINATOR_CORE_DURATION_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

// A step ends where it begins, times 2^(1/16), so that its middle is off by 2.2 % at most.
inline constexpr int kStepsPerDoubling = 16;
// What is shorter lies in the first step; what is longer than kLongestStep in the last one.
inline constexpr absl::Duration kShortestStep = absl::Microseconds(100);
inline constexpr absl::Duration kLongestStep = absl::Hours(24 * 400);

// Not thread-safe. Takes as much memory as there are steps up to the longest, 5 KiB at most.
class DurationHistogram {
 public:
  // Negative ones, of clocks that were set back, count as zero.
  void Add(absl::Duration duration);
  void Merge(const DurationHistogram& other);

  int64_t count() const { return count_; }
  // Exact; zero when there is nothing.
  absl::Duration max() const { return max_; }
  // The least that `share` of them, above 0 and up to 1, did not exceed; zero when there is
  // nothing. Never below the shortest one nor above the longest one that was added.
  absl::Duration Quantile(double share) const;

 private:
  std::vector<int64_t> counts_;  // by step, up to the last one that has any
  int64_t count_ = 0;
  absl::Duration min_;
  absl::Duration max_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_DURATION_HISTOGRAM_H_
