// How often values of each size were seen.
#ifndef SERVICES_METRICS_HISTOGRAM_H_
#define SERVICES_METRICS_HISTOGRAM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace closewrite {

// Buckets with fixed bounds. Observing costs some nanoseconds. Not thread-safe.
class Histogram {
 public:
  // Upper bounds, rising; not owned. A value that is equal to a bound lies below it.
  explicit Histogram(absl::Span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(double value) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    ++counts_[static_cast<size_t>(bucket - bounds_.begin())];
    ++count_;
    sum_ += value;
  }

  absl::Span<const double> bounds() const { return bounds_; }
  // Of each bucket alone; the last one is of the values above all bounds.
  const std::vector<int64_t>& counts() const { return counts_; }
  int64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  absl::Span<const double> bounds_;
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_METRICS_HISTOGRAM_H_
