#include "services/clock/clock.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(SteadyClockTest, StartsAtTheWallClockAndNeverGoesBack) {
  const absl::Time before = absl::Now();
  const SteadyClock clock;
  absl::Time last = clock.Now();
  EXPECT_GE(last, before);
  EXPECT_LT(last, before + absl::Minutes(1));
  for (int i = 0; i < 10'000; ++i) {
    const absl::Time now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ManualClockTest, MovesWhenTold) {
  ManualClock clock(absl::FromUnixSeconds(1000));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(1000));
  clock.Advance(absl::Milliseconds(1500));
  EXPECT_EQ(clock.Now(), absl::FromUnixMillis(1'001'500));
}

TEST(SinceBootTest, IsPositiveAndRises) {
  const absl::Duration first = SinceBoot();
  EXPECT_GT(first, absl::ZeroDuration());
  EXPECT_GE(SinceBoot(), first);
}

}  // namespace
}  // namespace closewrite
