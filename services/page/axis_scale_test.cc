#include "services/page/axis_scale.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

template <class Ticks>
std::string Texts(const Ticks& ticks) {
  return absl::StrJoin(ticks, " | ",
                       [](std::string* out, const auto& tick) { out->append(tick.text); });
}

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

TEST(AxisScaleTest, GroupsDigits) {
  const struct {
    int64_t number;
    std::string text;
  } cases[] = {
      {0, "0"},
      {999, "999"},
      {1000, "1,000"},
      {-999, "-999"},
      {-1000, "-1,000"},
      {123456789, "123,456,789"},
      {std::numeric_limits<int64_t>::max(), "9,223,372,036,854,775,807"},
      {std::numeric_limits<int64_t>::min(), "-9,223,372,036,854,775,808"},
  };
  for (const auto& each : cases) EXPECT_EQ(Grouped(each.number), each.text);
}

TEST(AxisScaleTest, SaysSecondsInTheLargestUnitThatFits) {
  const struct {
    double seconds;
    std::string text;
  } cases[] = {
      {0, "0"},       {0.0001, "0.1 ms"}, {0.25, "250 ms"}, {1, "1 s"},
      {90, "90 s"},   {120, "2 min"},     {5400, "90 min"}, {7200, "2 h"},
      {86400, "1 d"}, {129600, "36 h"},   {864000, "10 d"}, {0.003, "3 ms"},
  };
  for (const auto& each : cases) EXPECT_EQ(SecondsLabel(each.seconds), each.text);
}

TEST(AxisScaleTest, CountsAreWholeAndRound) {
  const struct {
    double max;
    std::string texts;
  } cases[] = {
      {0, "0 | 1"},
      {1, "0 | 1"},
      {3, "0 | 1 | 2 | 3"},
      {7, "0 | 2 | 4 | 6 | 8"},
      {520, "0 | 200 | 400 | 600"},
      {1'000, "0 | 200 | 400 | 600 | 800 | 1,000"},
      {999'999, "0 | 200,000 | 400,000 | 600,000 | 800,000 | 1 M"},
      {7'000'000'000, "0 | 2 G | 4 G | 6 G | 8 G"},
      {9.3e18, "0 | 2 E | 4 E | 6 E | 8 E | 10 E"},
  };
  for (const auto& each : cases) EXPECT_EQ(Texts(CountTicks(each.max, 5)), each.texts);
}

TEST(AxisScaleTest, SecondsAreRoundAsPeopleCountTime) {
  const struct {
    double max;
    std::string texts;
  } cases[] = {
      {0.0001, "0 | 0.1 ms"},
      {0.012, "0 | 5 ms | 10 ms | 15 ms"},
      {2.4, "0 | 500 ms | 1 s | 1500 ms | 2 s | 2500 ms"},
      {70, "0 | 15 s | 30 s | 45 s | 1 min | 75 s"},
      {3'600, "0 | 15 min | 30 min | 45 min | 1 h"},
      {100'000, "0 | 6 h | 12 h | 18 h | 1 d | 30 h"},
      {86400.0 * 33, "0 | 10 d | 20 d | 30 d | 40 d"},
  };
  for (const auto& each : cases) EXPECT_EQ(Texts(SecondsTicks(each.max, 5)), each.texts);
}

TEST(AxisScaleTest, LogarithmsTakeBothEndsIn) {
  const struct {
    double min;
    double max;
    std::string texts;
  } cases[] = {
      {0.002, 0.002, "1 ms | 3 ms"},
      {1, 1, "1 s | 3 s"},
      {2, 110, "1 s | 3 s | 10 s | 30 s | 1 min | 3 min"},
      {0.0001, 3e7, "0.1 ms | 10 ms | 1 s | 1 min | 1 h | 3 d | 400 d"},
      {1e9, 1e9, "400 d"},
  };
  for (const auto& each : cases) {
    const std::vector<Tick> ticks = LogSecondsTicks(each.min, each.max);
    EXPECT_EQ(Texts(ticks), each.texts);
  }
  for (double min = 1e-4; min < 1e7; min *= 1.7) {
    for (double max = min; max < 3.4e7; max *= 2.3) {
      const std::vector<Tick> ticks = LogSecondsTicks(min, max);
      ASSERT_GE(ticks.size(), 2u);
      EXPECT_LE(ticks.size(), 8u) << Texts(ticks);
      EXPECT_LE(ticks.front().value, min);
      EXPECT_GE(ticks.back().value, max);
    }
  }
}

TEST(AxisScaleTest, MarksAreExact) {
  const struct {
    int64_t min;
    int64_t max;
    int64_t base;
    std::string texts;
  } cases[] = {
      {7, 7, 7, "7"},
      {5'000'000'001, 5'000'000'003, 5'000'000'001,
       "5,000,000,001 | 5,000,000,002 | 5,000,000,003"},
      {101, 999, 0, "0 | 500 | 1,000"},
      {-5, 5, -5, "-5 | 0 | 5"},
      {-7, -1, -8, "-8 | -6 | -4 | -2 | 0"},
      // Doubles can't tell these apart.
      {std::numeric_limits<int64_t>::max() - 1, std::numeric_limits<int64_t>::max(),
       std::numeric_limits<int64_t>::max() - 1,
       "9,223,372,036,854,775,806 | 9,223,372,036,854,775,807"},
      {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
       std::numeric_limits<int64_t>::min(),
       "-9,223,372,036,854,775,808 | 9,223,372,036,854,775,807"},
  };
  for (const auto& each : cases) {
    const MarkAxis axis = MarkTicks(each.min, each.max, 3);
    EXPECT_EQ(Texts(axis.ticks), each.texts);
    EXPECT_EQ(axis.base, each.base);
    EXPECT_EQ(axis.ticks.front().value, 0);
  }
}

TEST(AxisScaleTest, TimesAreRoundInUtc) {
  const struct {
    std::string begin;
    std::string end;
    std::string texts;
  } cases[] = {
      {"2026-11-26T10:00:00Z", "2026-11-26T10:00:24Z",
       "10:00:00 | 10:00:05 | 10:00:10 | 10:00:15 | 10:00:20"},
      {"2026-11-26T10:07:00Z", "2026-11-26T11:07:00Z", "10:15 | 10:30 | 10:45 | 11:00"},
      {"2026-11-25T10:00:00Z", "2026-11-26T10:00:00Z", "12:00 | 18:00 | 26 Nov | 06:00"},
      {"2026-11-19T10:00:00Z", "2026-11-26T12:00:00Z", "21 Nov | 23 Nov | 25 Nov"},
      {"2026-10-27T00:00:00Z", "2026-11-26T00:00:00Z", "2 Nov | 9 Nov | 16 Nov | 23 Nov"},
      {"2025-10-27T00:00:00Z", "2026-11-26T00:00:00Z", "2026 | Apr | Jul | Oct"},
      {"2000-10-27T00:00:00Z", "2009-11-26T00:00:00Z", "2002 | 2004 | 2006 | 2008"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Texts(TimeTicks(At(each.begin), At(each.end), 6)), each.texts);
  }
}

}  // namespace
}  // namespace closewrite
