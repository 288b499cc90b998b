#include "services/coordinator/core/schedule.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using Unit = Period::Unit;

// How far LatestDue looks back at first; then twice as far, until it has enough.
constexpr absl::Duration kLookBack = absl::Seconds(1);

struct UnitName {
  std::string_view name;
  Unit unit;
};
constexpr UnitName kUnits[] = {
    {"s", Unit::kSecond},   {"sec", Unit::kSecond}, {"second", Unit::kSecond},
    {"m", Unit::kMinute},   {"min", Unit::kMinute}, {"minute", Unit::kMinute},
    {"h", Unit::kHour},     {"hour", Unit::kHour},  {"d", Unit::kDay},
    {"day", Unit::kDay},    {"w", Unit::kWeek},     {"week", Unit::kWeek},
    {"month", Unit::kMonth}};

std::optional<Unit> UnitOf(std::string_view word) {
  for (const UnitName& each : kUnits) {
    const bool plural = each.name.size() > 1 && word == StrCat(each.name, "s");
    if (word == each.name || plural) return each.unit;
  }
  return std::nullopt;
}

// Zero for what is counted on the calendar.
absl::Duration LengthOf(Unit unit) {
  switch (unit) {
    case Unit::kSecond:
      return absl::Seconds(1);
    case Unit::kMinute:
      return absl::Minutes(1);
    case Unit::kHour:
      return absl::Hours(1);
    case Unit::kDay:
    case Unit::kWeek:
    case Unit::kMonth:
      return absl::ZeroDuration();
  }
  return absl::ZeroDuration();
}

// The time at which a clock on the wall shows what `info` is of; see the header for those that are
// left out or come twice. Never falls while that rises.
absl::Time Resolve(const absl::TimeZone::TimeInfo& info) {
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

// `start` and `steps` periods of days, weeks or months.
absl::CivilSecond OnCalendar(absl::CivilSecond start, const Period& period, int64_t steps) {
  const absl::CivilDay day(start);
  absl::CivilDay then = day;
  if (period.unit == Unit::kMonth) {
    const absl::CivilMonth month = absl::CivilMonth(start) + period.count * steps;
    then = std::min(absl::CivilDay(month) + (start.day() - 1), absl::CivilDay(month + 1) - 1);
  } else {
    then += period.count * steps * (period.unit == Unit::kWeek ? 7 : 1);
  }
  return absl::CivilSecond(then.year(), then.month(), then.day(), start.hour(), start.minute(),
                           start.second());
}

absl::Time NextOnCalendar(const Schedule& schedule, const Period& period, absl::Time after) {
  const absl::CivilSecond now = schedule.zone.At(after).cs;
  // Whole periods until `after`, or one less or more.
  int64_t steps = 0;
  if (period.unit == Unit::kMonth) {
    steps = (absl::CivilMonth(now) - absl::CivilMonth(schedule.start)) / period.count;
  } else {
    steps = (absl::CivilDay(now) - absl::CivilDay(schedule.start)) /
            (period.count * (period.unit == Unit::kWeek ? 7 : 1));
  }
  for (steps = std::max<int64_t>(0, steps - 1);; ++steps) {
    const absl::Time due = Resolve(schedule.zone.At(OnCalendar(schedule.start, period, steps)));
    if (due > after) return due;
  }
}

absl::Time NextOfPeriod(const Schedule& schedule, const Period& period, absl::Time after) {
  const absl::Time start = Resolve(schedule.zone.At(schedule.start));
  if (start > after) return start;
  const absl::Duration length = LengthOf(period.unit) * period.count;
  if (length == absl::ZeroDuration()) return NextOnCalendar(schedule, period, after);
  absl::Duration rest;
  absl::IDivDuration(after - start, length, &rest);
  return after - rest + length;
}

std::optional<absl::Time> NextOfCron(const Schedule& schedule, const Cron& cron, absl::Time after) {
  const absl::TimeZone zone = schedule.zone;
  using Info = absl::TimeZone::TimeInfo;
  absl::CivilMinute from(zone.At(after).cs);
  std::optional<absl::Time> due;
  while (!due.has_value()) {
    const std::optional<absl::CivilMinute> civil = cron.FirstFrom(from);
    if (!civil.has_value()) break;
    const Info info = zone.At(absl::CivilSecond(*civil));
    from = *civil + 1;
    absl::Time at = Resolve(info);
    if (cron.every_hour()) {
      if (info.kind == Info::SKIPPED) continue;
      if (info.kind == Info::REPEATED && after >= info.trans) at = info.post;
    }
    if (at > after) due = at;
  }
  // The clock may be set back before that, and shows hours again which count again.
  absl::TimeZone::CivilTransition set;
  if (!cron.every_hour() || !zone.NextTransition(after, &set) || set.to >= set.from) return due;
  const absl::Time back = zone.At(set.to).trans;
  const std::optional<absl::CivilMinute> again = cron.FirstFrom(absl::CivilMinute(set.to));
  if (!again.has_value() || (due.has_value() && *due <= back)) return due;
  const absl::Time second = zone.At(absl::CivilSecond(*again)).post;
  return due.has_value() ? std::min(*due, second) : second;
}

}  // namespace

absl::StatusOr<Period> ParsePeriod(std::string_view text) {
  const std::string line = absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(text)));
  const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  Period period;
  const bool counted = digits == 0 || absl::SimpleAtoi(line.substr(0, digits), &period.count);
  const std::string_view word =
      ToStd(absl::StripLeadingAsciiWhitespace(absl::string_view(line).substr(digits)));
  const std::optional<Unit> unit = UnitOf(word);
  if (!counted || !unit.has_value() || period.count < 1 || period.count > kPeriodCountMax) {
    return absl::InvalidArgumentError(
        StrCat("period: ", Quote(text), " is none; say a number from 1 to ", kPeriodCountMax,
               " and second, minute, hour, day, week or month, such as \"2 min\" or \"day\""));
  }
  period.unit = *unit;
  return period;
}

absl::StatusOr<absl::CivilSecond> ParseStart(std::string_view text) {
  absl::CivilSecond start;
  absl::CivilMinute minute;
  absl::CivilDay day;
  const absl::string_view line = absl::StripAsciiWhitespace(ToAbsl(text));
  std::string separated(line);
  const size_t space = separated.find(' ');
  if (space != std::string::npos) separated[space] = 'T';
  if (absl::ParseCivilTime(separated, &minute)) {
    start = absl::CivilSecond(minute);
  } else if (absl::ParseCivilTime(separated, &day)) {
    start = absl::CivilSecond(day);
  } else if (!absl::ParseCivilTime(separated, &start)) {
    return absl::InvalidArgumentError(
        StrCat("start: ", Quote(text), " is no time; say it as \"2027-02-27 12:50\""));
  }
  if (start.year() < kStartYearMin || start.year() > kStartYearMax) {
    return absl::InvalidArgumentError(StrCat("start: ", Quote(text), " is not between the years ",
                                             kStartYearMin, " and ", kStartYearMax));
  }
  return start;
}

std::optional<absl::Time> NextDue(const Schedule& schedule, absl::Time after) {
  if (const auto* period = std::get_if<Period>(&schedule.rule)) {
    return NextOfPeriod(schedule, *period, after);
  }
  const absl::Time start = Resolve(schedule.zone.At(schedule.start));
  return NextOfCron(schedule, std::get<Cron>(schedule.rule),
                    std::max(after, start - absl::Nanoseconds(1)));
}

std::vector<absl::Time> LatestDue(const Schedule& schedule, absl::Time after, absl::Time until,
                                  size_t max) {
  std::deque<absl::Time> latest;
  if (max == 0) return {};
  for (absl::Duration back = kLookBack; latest.size() < max; back *= 2) {
    const absl::Time from = std::max(after, until - back);
    latest.clear();
    std::optional<absl::Time> due = NextDue(schedule, from);
    while (due.has_value() && *due <= until) {
      latest.push_back(*due);
      if (latest.size() > max) latest.pop_front();
      due = NextDue(schedule, *due);
    }
    if (from == after) break;
  }
  return {latest.begin(), latest.end()};
}

std::vector<absl::Time> DueNow(const Schedule& schedule, absl::Time seen, absl::Time now,
                               CatchUp catch_up, absl::Duration on_time, size_t all_max) {
  const absl::Time after =
      catch_up == CatchUp::kNone ? std::max(seen, now - on_time - absl::Nanoseconds(1)) : seen;
  return LatestDue(schedule, after, now, catch_up == CatchUp::kAll ? all_max : 1);
}

absl::Duration Jitter(std::string_view task, absl::Duration longest) {
  // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), which every process computes alike.
  uint64_t hash = 14695981039346656037ull;
  const auto add = [&hash](uint8_t byte) { hash = (hash ^ byte) * 1099511628211ull; };
  for (const char c : task) add(static_cast<uint8_t>(c));
  // The last byte of a name reaches the high bits by the rounds that follow it.
  for (int i = 0; i < 8; ++i) add(0);
  // Its high bits are the better ones; 2^53 and less are exact.
  return longest * (static_cast<double>(hash >> 11) / static_cast<double>(1ull << 53));
}

}  // namespace closewrite
