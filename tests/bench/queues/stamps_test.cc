#include "tests/bench/queues/stamps.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace closewrite {
namespace {

TEST(StampedNamesTest, CarriesItsStampAndHasItsLength) {
  StampedNames names(7, 100);
  const std::string name = names.Next(123456789);
  EXPECT_EQ(name.size(), 100u);
  EXPECT_EQ(StampIn(name), 123456789);
}

TEST(StampedNamesTest, NoNameComesTwice) {
  std::set<std::string> seen;
  for (uint64_t seed : {1, 2}) {
    StampedNames names(seed, 60);
    for (int i = 0; i < 10000; ++i) EXPECT_TRUE(seen.insert(names.Next(5)).second);
  }
}

TEST(StampedNamesTest, AreInOrderWhereTheyAreAskedToBe) {
  StampedNames scattered(7, 100);
  StampedNames ordered(7, 100, /*ordered=*/true);
  bool all_rise = true;
  std::string before_scattered = scattered.Next(5);
  std::string before_ordered = ordered.Next(5);
  for (int i = 0; i < 100; ++i) {
    const std::string name = ordered.Next(5);
    EXPECT_LT(before_ordered, name);
    before_ordered = name;
    const std::string other = scattered.Next(5);
    all_rise = all_rise && before_scattered < other;
    before_scattered = other;
  }
  EXPECT_FALSE(all_rise);
}

TEST(StampInTest, OtherNamesHaveNone) {
  EXPECT_EQ(StampIn("report.csv"), std::nullopt);
  EXPECT_EQ(StampIn("report-1.csv"), std::nullopt);
  EXPECT_EQ(StampIn("monthly-report-1.csv"), std::nullopt);
}

TEST(LatenciesTest, PercentilesAreValuesThatWereAdded) {
  Latencies latencies;
  for (int i = 1000; i >= 1; --i) latencies.Add(i * 1000);
  const nlohmann::json summary = latencies.Summary();
  EXPECT_EQ(summary["count"], 1000);
  EXPECT_EQ(summary["p50_us"], 500.0);
  EXPECT_EQ(summary["p99_us"], 990.0);
  EXPECT_EQ(summary["max_us"], 1000.0);
}

TEST(LatenciesTest, OfNoneThereIsOnlyTheCount) {
  EXPECT_EQ(Latencies().Summary(), (nlohmann::json{{"count", 0}}));
}

}  // namespace
}  // namespace closewrite
