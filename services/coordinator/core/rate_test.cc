#include "services/coordinator/core/rate.h"

#include <deque>
#include <utility>

#include "absl/random/random.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(RateTest, AFullBucketGivesItsLimitAtOnceAndThenOneAfterTheOther) {
  const Rate rate = {.limit = 100, .period = absl::Minutes(1)};
  Bucket bucket;
  EXPECT_EQ(Available(rate, bucket, kNow), 100);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(AllowedAt(rate, bucket, kNow, 1), kNow) << i;
    bucket = After(rate, bucket, kNow, 1);
  }
  EXPECT_EQ(Available(rate, bucket, kNow), 0);
  EXPECT_EQ(AllowedAt(rate, bucket, kNow, 1), kNow + absl::Milliseconds(600));
  EXPECT_EQ(AllowedAt(rate, bucket, kNow, 2), kNow + absl::Milliseconds(1200));
  EXPECT_EQ(AllowedAt(rate, bucket, kNow, 100), kNow + absl::Minutes(1));
  EXPECT_EQ(AllowedAt(rate, bucket, kNow, 101), absl::InfiniteFuture());
  EXPECT_EQ(Available(rate, bucket, kNow + absl::Milliseconds(599)), 0);
  EXPECT_EQ(Available(rate, bucket, kNow + absl::Milliseconds(600)), 1);
  EXPECT_EQ(Available(rate, bucket, kNow + absl::Hours(1)), 100);
}

TEST(RateTest, AClockThatIsSetBackGivesNothingAway) {
  const Rate rate = {.limit = 2, .period = absl::Seconds(10)};
  const Bucket bucket = After(rate, Bucket(), kNow, 2);
  EXPECT_EQ(Available(rate, bucket, kNow - absl::Hours(1)), 0);
}

TEST(RateTest, ANewRateKeepsWhatIsMissing) {
  const Rate slow = {.limit = 10, .period = absl::Minutes(1)};
  const Rate fast = {.limit = 100, .period = absl::Minutes(1)};
  EXPECT_EQ(Available(fast, WithRate(slow, fast, After(slow, Bucket(), kNow, 4), kNow), kNow), 96);
  EXPECT_EQ(Available(slow, WithRate(fast, slow, After(fast, Bucket(), kNow, 40), kNow), kNow), 0);
  EXPECT_EQ(Available(slow, WithRate(fast, slow, Bucket(), kNow), kNow), 10);
}

TEST(RateTest, Limits) {
  EXPECT_TRUE(CheckRate({.limit = 1, .period = absl::Seconds(1)}).ok());
  EXPECT_FALSE(CheckRate({.limit = 0, .period = absl::Seconds(1)}).ok());
  EXPECT_FALSE(CheckRate({.limit = kRateLimitMax + 1, .period = absl::Seconds(1)}).ok());
  EXPECT_FALSE(CheckRate({.limit = 1, .period = absl::ZeroDuration()}).ok());
  EXPECT_FALSE(CheckRate({.limit = 1, .period = -absl::Seconds(1)}).ok());
  EXPECT_FALSE(CheckRate({.limit = 1, .period = absl::InfiniteDuration()}).ok());
}

// What is said to be allowed is, and no more; in no period more than twice the limit; and whoever
// comes in time gets all of it in the long run.
void TakeAll(const Rate& rate, bool in_time) {
  absl::BitGen random;
  Bucket bucket;
  absl::Time now = kNow;
  int64_t taken = 0;
  std::deque<std::pair<absl::Time, int64_t>> lately;
  for (int i = 0; i < 2000; ++i) {
    const int64_t wanted = absl::Uniform<int64_t>(absl::IntervalClosed, random, 1, rate.limit);
    now = AllowedAt(rate, bucket, now, wanted);
    if (!in_time) now += rate.period * absl::Uniform(random, 0.0, 0.5);
    const int64_t available = Available(rate, bucket, now);
    ASSERT_GE(available, wanted);
    ASSERT_LE(available, rate.limit);
    ASSERT_EQ(AllowedAt(rate, bucket, now, available), now);
    ASSERT_GT(AllowedAt(rate, bucket, now, available + 1), now);
    bucket = After(rate, bucket, now, available);
    taken += available;
    lately.emplace_back(now, available);
    while (lately.front().first < now - rate.period) lately.pop_front();
    int64_t sum = 0;
    for (const auto& [time, calls] : lately) sum += calls;
    ASSERT_LE(sum, 2 * rate.limit);
  }
  const auto limit = static_cast<double>(rate.limit);
  const double most = absl::FDivDuration(now - kNow, rate.period) * limit + limit;
  EXPECT_LE(static_cast<double>(taken), most + 1);  // what is rounded
  if (in_time) EXPECT_GE(static_cast<double>(taken), most - limit - 1);
}

TEST(RateTest, WhateverComes) {
  for (const Rate rate : {Rate{.limit = 7, .period = absl::Seconds(3)},
                          Rate{.limit = 1, .period = absl::Milliseconds(1)},
                          Rate{.limit = 999'983, .period = absl::Seconds(1)}}) {
    for (const bool in_time : {true, false}) TakeAll(rate, in_time);
  }
}

}  // namespace
}  // namespace closewrite
