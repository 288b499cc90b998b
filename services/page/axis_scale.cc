#include "services/page/axis_scale.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_format.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr double kMinute = 60;
constexpr double kHour = 3600;
constexpr double kDay = 86400;
constexpr int kLogStepsMax = 6;
constexpr absl::Duration kOneDay = absl::Hours(24);

// 1, 2 or 5 times a power of ten, at least 1.
double RoundStep(double step) {
  double power = 1;
  while (power * 10 <= step) power *= 10;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= step) return power * factor;
  }
  return power * 10;
}

double SecondsStep(double step) {
  static constexpr double kSteps[] = {
      1e-4,    2e-4,        5e-4,        0.001,        0.002,        0.005,
      0.01,    0.02,        0.05,        0.1,          0.2,          0.5,
      1,       2,           5,           10,           15,           30,
      kMinute, 2 * kMinute, 5 * kMinute, 10 * kMinute, 15 * kMinute, 30 * kMinute,
      kHour,   2 * kHour,   3 * kHour,   6 * kHour,    12 * kHour,   kDay};
  for (const double each : kSteps) {
    if (each >= step) return each;
  }
  return kDay * RoundStep(step / kDay);
}

template <class Text>
std::vector<Tick> FromZero(double max, double step, Text text) {
  std::vector<Tick> ticks;
  // Computed, not summed up, so that no error grows.
  for (int i = 0;; ++i) {
    const double value = i * step;
    ticks.push_back({value, text(value)});
    if (i > 0 && value >= max) return ticks;
  }
}

// Times between ticks, up to days; months come behind them.
constexpr absl::Duration kTimeSteps[] = {
    absl::Seconds(1),    absl::Seconds(5),    absl::Seconds(15), absl::Seconds(30),
    absl::Minutes(1),    absl::Minutes(5),    absl::Minutes(10), absl::Minutes(15),
    absl::Minutes(30),   absl::Hours(1),      absl::Hours(2),    absl::Hours(3),
    absl::Hours(6),      absl::Hours(12),     absl::Hours(24),   absl::Hours(2 * 24),
    absl::Hours(7 * 24), absl::Hours(14 * 24)};
constexpr int kMonthSteps[] = {1, 2, 3, 6, 12};
constexpr absl::Duration kMonthMin = absl::Hours(28 * 24);
// A Monday.
constexpr absl::Time kOrigin = absl::FromUnixSeconds(int64_t{4} * 86'400);

std::string TimeText(absl::Time time, absl::Duration step) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::CivilSecond civil = absl::ToCivilSecond(time, utc);
  const bool midnight = civil == absl::CivilSecond(absl::CivilDay(civil));
  if (step >= kOneDay || midnight) return StrCat(civil.day(), absl::FormatTime(" %b", time, utc));
  if (step >= absl::Minutes(1)) return absl::FormatTime("%H:%M", time, utc);
  return absl::FormatTime("%H:%M:%S", time, utc);
}

std::vector<TimeTick> MonthTicks(absl::Time begin, absl::Time end, int months) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  std::vector<TimeTick> ticks;
  const absl::CivilYear year(absl::ToCivilSecond(begin, utc));
  for (absl::CivilMonth month(year);; month += months) {
    const absl::Time time = absl::FromCivil(month, utc);
    if (time > end) return ticks;
    if (time < begin) continue;
    ticks.push_back({time, absl::FormatTime(month.month() == 1 ? "%Y" : "%b", time, utc)});
  }
}

}  // namespace

std::string Grouped(int64_t number) {
  std::string digits = StrCat(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string CompactCount(double number) {
  static constexpr std::string_view kUnits[] = {" M", " G", " T", " P", " E"};
  if (number < 1e6) return Grouped(std::llround(number));
  number /= 1e6;
  size_t unit = 0;
  while (number >= 1e3 && unit + 1 < std::size(kUnits)) {
    number /= 1e3;
    ++unit;
  }
  return StrCat(absl::StrFormat("%.3g", number), kUnits[unit]);
}

std::string SecondsLabel(double seconds) {
  const struct {
    double seconds;
    std::string_view name;
  } units[] = {{kDay, " d"}, {kHour, " h"}, {kMinute, " min"}, {1, " s"}};
  if (seconds == 0) return "0";
  for (const auto& unit : units) {
    const double count = seconds / unit.seconds;
    if (count >= 1 && std::abs(count - std::round(count)) < 1e-9) {
      return StrCat(std::llround(count), unit.name);
    }
  }
  return StrCat(absl::StrFormat("%g", seconds * 1000), " ms");
}

std::vector<Tick> CountTicks(double max, int steps_max) {
  return FromZero(max, RoundStep(std::max(1.0, max / steps_max)), CompactCount);
}

std::vector<Tick> SecondsTicks(double max, int steps_max) {
  return FromZero(max, SecondsStep(max / steps_max), SecondsLabel);
}

std::vector<Tick> LogSecondsTicks(double min, double max) {
  static constexpr double kWays[] = {1e-4,         3e-4,      0.001,     0.003,       0.01,
                                     0.03,         0.1,       0.3,       1,           3,
                                     10,           30,        kMinute,   3 * kMinute, 10 * kMinute,
                                     30 * kMinute, kHour,     3 * kHour, 12 * kHour,  kDay,
                                     3 * kDay,     10 * kDay, 30 * kDay, 100 * kDay,  400 * kDay};
  const auto* const end = std::end(kWays);
  const auto* first = std::upper_bound(std::begin(kWays), end, min);
  if (first != std::begin(kWays)) --first;
  const auto* last = std::lower_bound(first, end, max);
  if (last == end) --last;
  if (last == first && last != end - 1) ++last;
  // Not all of them where there are many, but the first one and the last one.
  const auto steps = static_cast<int>(last - first);
  const int stride = std::max(1, (steps + kLogStepsMax - 1) / kLogStepsMax);
  std::vector<Tick> ticks;
  for (const auto* each = first; each < last; each += stride) {
    ticks.push_back({*each, SecondsLabel(*each)});
  }
  const int rest = steps % stride;
  if (rest != 0 && rest * 2 < stride) ticks.pop_back();
  ticks.push_back({*last, SecondsLabel(*last)});
  return ticks;
}

MarkAxis MarkTicks(int64_t min, int64_t max, int steps_max) {
  if (min == max) return {min, {{0, Grouped(min)}}};
  const auto span = static_cast<double>(static_cast<uint64_t>(max) - static_cast<uint64_t>(min));
  const double round = RoundStep(std::max(1.0, span / steps_max));
  if (round > 1e18) {  // the next round number would be out of range
    return {min, {{0, Grouped(min)}, {span, Grouped(max)}}};
  }
  const auto step = static_cast<int64_t>(round);
  // Downwards, also below zero.
  const int64_t rest = min % step;
  int64_t base = 0;
  if (__builtin_sub_overflow(min, rest < 0 ? rest + step : rest, &base)) base = min;
  MarkAxis axis{base, {}};
  int64_t value = base;
  for (int i = 0;; ++i) {
    axis.ticks.push_back({static_cast<double>(i) * round, Grouped(value)});
    if (value >= max || __builtin_add_overflow(value, step, &value)) return axis;
  }
}

std::vector<TimeTick> TimeTicks(absl::Time begin, absl::Time end, int ticks_max) {
  const absl::Duration span = end - begin;
  for (const absl::Duration step : kTimeSteps) {
    if (span / ticks_max >= step) continue;
    std::vector<TimeTick> ticks;
    for (absl::Time time = kOrigin + absl::Ceil(begin - kOrigin, step); time <= end; time += step) {
      ticks.push_back({time, TimeText(time, step)});
    }
    return ticks;
  }
  for (const int months : kMonthSteps) {
    if (span / ticks_max < months * kMonthMin) return MonthTicks(begin, end, months);
  }
  const int64_t years = span / ticks_max / absl::Hours(365 * 24) + 1;
  return MonthTicks(begin, end, static_cast<int>(12 * years));
}

}  // namespace closewrite
