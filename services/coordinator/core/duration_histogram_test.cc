#include "services/coordinator/core/duration_histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(DurationHistogramTest, NothingIsZero) {
  const DurationHistogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  EXPECT_EQ(histogram.Quantile(1), absl::ZeroDuration());
}

TEST(DurationHistogramTest, OneValueIsExact) {
  for (const absl::Duration one :
       {absl::ZeroDuration(), absl::Nanoseconds(1), kShortestStep, absl::Milliseconds(7),
        absl::Hours(3), kLongestStep, absl::Hours(24 * 4000)}) {
    DurationHistogram histogram;
    histogram.Add(one);
    for (const double share : {0.001, 0.5, 0.95, 1.0}) {
      EXPECT_EQ(histogram.Quantile(share), one) << one << " " << share;
    }
    EXPECT_EQ(histogram.max(), one);
  }
}

TEST(DurationHistogramTest, ClocksThatWereSetBackCountAsZero) {
  DurationHistogram histogram;
  histogram.Add(-absl::Seconds(5));
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  EXPECT_EQ(histogram.count(), 1);
}

TEST(DurationHistogramTest, IsNearWhatSortingGives) {
  std::mt19937 random(7);
  std::lognormal_distribution<double> seconds(1, 3);
  DurationHistogram histogram;
  std::vector<absl::Duration> sorted;
  for (int i = 0; i < 20'000; ++i) {
    sorted.push_back(absl::Seconds(seconds(random)));
    histogram.Add(sorted.back());
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double share : {0.01, 0.1, 0.5, 0.9, 0.95, 0.99}) {
    const absl::Duration exact = sorted[static_cast<size_t>(share * 20'000) - 1];
    EXPECT_NEAR(absl::FDivDuration(histogram.Quantile(share), exact), 1, 0.025) << share;
  }
  EXPECT_EQ(histogram.Quantile(1), sorted.back());
  EXPECT_EQ(histogram.max(), sorted.back());
}

TEST(DurationHistogramTest, PartsMakeTheWhole) {
  DurationHistogram whole;
  DurationHistogram odd;
  DurationHistogram even;
  for (int i = 1; i <= 999; ++i) {
    whole.Add(absl::Seconds(i));
    (i % 2 == 0 ? even : odd).Add(absl::Seconds(i));
  }
  DurationHistogram merged;
  merged.Merge({});
  merged.Merge(even);
  merged.Merge(odd);
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.max(), whole.max());
  for (const double share : {0.001, 0.25, 0.5, 0.95, 1.0}) {
    EXPECT_EQ(merged.Quantile(share), whole.Quantile(share)) << share;
  }
}

}  // namespace
}  // namespace closewrite
