#include "services/config/duration.h"

#include <string>

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(ParseDurationTest, Table) {
  const struct {
    std::string text;
    absl::Duration duration;
  } kGood[] = {
      {"0", absl::ZeroDuration()},
      {"0s", absl::ZeroDuration()},
      {"100ms", absl::Milliseconds(100)},
      {"2s", absl::Seconds(2)},
      {"5m", absl::Minutes(5)},
      {"5min", absl::Minutes(5)},
      {"1h", absl::Hours(1)},
      {"2d", absl::Hours(48)},
      {"1.5h", absl::Minutes(90)},
      {".5s", absl::Milliseconds(500)},
      {"1h30m", absl::Minutes(90)},
      {"10us", absl::Microseconds(10)},
      {"7ns", absl::Nanoseconds(7)},
      {"0.001s", absl::Milliseconds(1)},
      {"2.s", absl::Seconds(2)},
      {"0.1234567891s", absl::Nanoseconds(123456789)},
      {"315576000000s", absl::Seconds(315'576'000'000)},
  };
  for (const auto& c : kGood) {
    const auto duration = ParseDuration(c.text);
    ASSERT_TRUE(duration.ok()) << c.text << duration.status();
    EXPECT_EQ(*duration, c.duration) << c.text;
  }
  for (const char* bad : {"",
                          "s",
                          "2",
                          "1.5",
                          "-1s",
                          "+1s",
                          " 2s",
                          "2s ",
                          "2 s",
                          "2x",
                          "1..5s",
                          ".s",
                          "1.5.s",
                          "inf",
                          "1h30",
                          "99999999999999999999s",
                          "315576000001s",
                          "3652501d",
                          "9223372036854775807d",
                          "1e3s",
                          "2S"}) {
    EXPECT_EQ(ParseDuration(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(DurationProtoTest, RoundTrip) {
  for (const absl::Duration d :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Milliseconds(1500), absl::Hours(48),
        absl::Nanoseconds(-1), absl::Milliseconds(-1500)}) {
    EXPECT_EQ(FromProto(ToProto(d)), d);
  }
  EXPECT_EQ(ToProto(absl::Milliseconds(-1500)).seconds(), -1);
  EXPECT_EQ(ToProto(absl::Milliseconds(-1500)).nanos(), -500'000'000);
  EXPECT_EQ(ToProto(absl::InfiniteDuration()).seconds(), 315'576'000'000);
}

}  // namespace
}  // namespace closewrite
