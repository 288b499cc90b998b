#include "services/coordinator/core/duration_histogram.h"

#include <algorithm>
#include <cmath>

namespace closewrite {
namespace {

size_t StepOf(absl::Duration duration) {
  const absl::Duration inside = std::clamp(duration, kShortestStep, kLongestStep);
  const double doublings = std::log2(absl::FDivDuration(inside, kShortestStep));
  return static_cast<size_t>(doublings * kStepsPerDoubling);
}

absl::Duration MiddleOf(size_t step) {
  return kShortestStep * std::exp2((static_cast<double>(step) + 0.5) / kStepsPerDoubling);
}

}  // namespace

void DurationHistogram::Add(absl::Duration duration) {
  duration = std::max(duration, absl::ZeroDuration());
  const size_t step = StepOf(duration);
  if (counts_.size() <= step) counts_.resize(step + 1);
  ++counts_[step];
  min_ = count_ == 0 ? duration : std::min(min_, duration);
  max_ = std::max(max_, duration);
  ++count_;
}

void DurationHistogram::Merge(const DurationHistogram& other) {
  if (other.count_ == 0) return;
  if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
  for (size_t step = 0; step < other.counts_.size(); ++step) counts_[step] += other.counts_[step];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
}

absl::Duration DurationHistogram::Quantile(double share) const {
  const auto wanted = static_cast<int64_t>(std::ceil(share * static_cast<double>(count_)));
  int64_t seen = 0;
  for (size_t step = 0; step < counts_.size(); ++step) {
    seen += counts_[step];
    if (seen >= wanted && seen > 0) return std::clamp(MiddleOf(step), min_, max_);
  }
  return max_;
}

}  // namespace closewrite
