#include "services/text/time_text.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(TimeText, Rfc3339IsUtcWithMilliseconds) {
  EXPECT_EQ(Rfc3339(absl::FromUnixMillis(1795345200123)), "2026-11-22T11:00:00.123Z");
}

TEST(TimeText, LocalTimeSaysItsOffset) {
  EXPECT_EQ(Rfc3339Local(absl::FromUnixMillis(1795345200123), absl::FixedTimeZone(-5400)),
            "2026-11-22T09:30:00.123-01:30");
}

TEST(TimeText, AgeIsTheLargestUnit) {
  EXPECT_EQ(AgeText(absl::Seconds(-5)), "0s");
  EXPECT_EQ(AgeText(absl::Seconds(12.9)), "12s");
  EXPECT_EQ(AgeText(absl::Seconds(119)), "119s");
  EXPECT_EQ(AgeText(absl::Minutes(2)), "2m");
  EXPECT_EQ(AgeText(absl::Hours(3)), "3h");
  EXPECT_EQ(AgeText(absl::Hours(24 * 9)), "9d");
}

TEST(TimeText, DurationHasTwoDigitsOrSo) {
  EXPECT_EQ(DurationText(absl::Milliseconds(35)), "35ms");
  EXPECT_EQ(DurationText(absl::Microseconds(999600)), "1.0s");
  EXPECT_EQ(DurationText(absl::Milliseconds(1234)), "1.2s");
  EXPECT_EQ(DurationText(absl::Seconds(59.96)), "1m00s");
  EXPECT_EQ(DurationText(absl::Seconds(192)), "3m12s");
  EXPECT_EQ(DurationText(absl::Minutes(125)), "2h05m");
}

TEST(TimeText, WhenIsRelativeOnATerminalOnly) {
  const absl::Time now = absl::FromUnixSeconds(1795345200);
  EXPECT_EQ(WhenText(now - absl::Seconds(12), now, true), "12s ago");
  EXPECT_EQ(WhenText(now - absl::Seconds(12), now, false), "2026-11-22T10:59:48.000Z");
}

TEST(TimeText, BytesInBinaryUnits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1229), "1.2 KiB");
  EXPECT_EQ(BytesText(34 << 20), "34 MiB");
  EXPECT_EQ(BytesText((1 << 20) - 1), "1.0 MiB");
}

}  // namespace
}  // namespace closewrite
