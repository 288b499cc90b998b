#include "services/metrics/metric.h"

#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/metrics/label_map.h"

namespace closewrite {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr double kBounds[] = {0.5, 1, 10};

TEST(HistogramTest, AValueLiesInTheFirstBucketThatReachesIt) {
  Histogram histogram(kBounds);
  for (const double value : {0.0, 0.5, 0.75, 1.0, 10.0, 11.0}) histogram.Observe(value);
  EXPECT_THAT(histogram.counts(), ElementsAre(2, 2, 1, 1));
  EXPECT_EQ(histogram.count(), 6);
  EXPECT_EQ(histogram.sum(), 23.25);
}

TEST(MetricListTest, NamesBeginWithThePrefix) {
  MetricList list("closewrite_x_");
  list.Counter("a_total", "How many a.", {{"volume", "v"}}, 7);
  list.Gauge("b_seconds", "How long b.", {}, 0.5);
  Histogram histogram(kBounds);
  list.Add("c_seconds", "How often c.", {}, histogram);
  histogram.Observe(1);  // it was copied
  const std::vector<Metric> metrics = list.Take();
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0].name, "closewrite_x_a_total");
  EXPECT_EQ(metrics[0].type, MetricType::kCounter);
  EXPECT_THAT(metrics[0].labels, ElementsAre(Pair("volume", "v")));
  EXPECT_EQ(metrics[0].value, 7);
  EXPECT_EQ(metrics[1].help, "How long b.");
  EXPECT_EQ(metrics[1].value, 0.5);
  EXPECT_EQ(metrics[2].type, MetricType::kHistogram);
  EXPECT_EQ(metrics[2].histogram->count(), 0);
}

TEST(LabelMapTest, NamesPastTheLimitAreOther) {
  LabelMap<int> values;
  const std::string* const first = &values.LabelOf("0");
  for (size_t i = 0; i < kLabelValuesMax; ++i) ++values[StrCat(i)];
  EXPECT_EQ(values.LabelOf("one too many"), kOtherLabel);
  ++values["another"];
  ++values["and another"];
  EXPECT_EQ(values["whatever"], 2);
  EXPECT_EQ(&values.LabelOf("0"), first);
  EXPECT_EQ(values["0"], 1);
  EXPECT_EQ(std::distance(values.begin(), values.end()), kLabelValuesMax + 1);
}

}  // namespace
}  // namespace closewrite
