#include "services/coordinator/core/cron.h"

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr size_t kFields = 5;
constexpr size_t kTextBytesMax = 1000;

// What one field may hold. `names` stand for numbers, from `min` on.
struct Field {
  std::string_view name;
  int min;
  int max;
  std::vector<std::string_view> names;
};

const std::array<Field, kFields>& Fields() {
  static const auto* const fields = new std::array<Field, kFields>{{
      {"minute", 0, 59, {}},
      {"hour", 0, 23, {}},
      {"day of the month", 1, 31, {}},
      {"month",
       1,
       12,
       {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
      {"day of the week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
  }};
  return *fields;
}

constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

absl::Status Wrong(const Field& field, std::string_view part, std::string_view what) {
  std::string text = StrCat("cron: ", field.name, " ", Quote(part), " ", what, "; say ", field.min,
                            " to ", field.max);
  if (!field.names.empty()) {
    StrAppend(&text, " or ", field.names.front(), " to ", field.names.back());
  }
  StrAppend(&text, ", a range such as ", field.min, "-", field.max, ", a list with commas, or *");
  return absl::InvalidArgumentError(text);
}

// A number or a name; nothing when it is neither, or out of the field's range.
std::optional<int> ValueOf(const Field& field, std::string_view text) {
  for (size_t i = 0; i < field.names.size(); ++i) {
    if (absl::EqualsIgnoreCase(ToAbsl(text), ToAbsl(field.names[i]))) {
      return field.min + static_cast<int>(i);
    }
  }
  int value = 0;
  const bool digits = !text.empty() && absl::ascii_isdigit(text.front());
  if (!digits || !absl::SimpleAtoi(ToAbsl(text), &value)) return std::nullopt;
  if (value < field.min || value > field.max) return std::nullopt;
  return value;
}

// One element of a list: `*`, `7`, `1-5`, each with `/2` behind it.
template <size_t kBits>
absl::Status AddPart(const Field& field, std::string_view part, std::bitset<kBits>* bits) {
  const size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  int step = 1;
  if (slash != std::string_view::npos) {
    if (!absl::SimpleAtoi(ToAbsl(part.substr(slash + 1)), &step) || step < 1 || step > field.max) {
      return Wrong(field, part, StrCat("has a step that is none: 1 to ", field.max, " is one"));
    }
  }
  int first = field.min;
  int last = field.max;
  if (range != "*") {
    const size_t dash = range.find('-');
    const std::optional<int> from = ValueOf(field, range.substr(0, dash));
    const bool single = dash == std::string_view::npos;
    const std::optional<int> to = single ? from : ValueOf(field, range.substr(dash + 1));
    if (!from.has_value() || !to.has_value()) return Wrong(field, part, "is out of range");
    if (single && slash != std::string_view::npos) {
      return Wrong(field, part, "is a step without a range");
    }
    if (*from > *to) return Wrong(field, part, "runs backwards");
    first = *from;
    last = *to;
  }
  for (int value = first; value <= last; value += step) bits->set(static_cast<size_t>(value));
  return absl::OkStatus();
}

template <size_t kBits>
absl::Status ParseField(size_t number, std::string_view text, std::bitset<kBits>* bits) {
  const Field& field = Fields()[number];
  for (absl::string_view part : absl::StrSplit(ToAbsl(text), ',')) {
    if (absl::Status s = AddPart(field, ToStd(part), bits); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// The first bit that is set, `from` or later; nothing when there is none.
template <size_t kBits>
std::optional<int> FirstBit(const std::bitset<kBits>& bits, int from) {
  for (size_t i = static_cast<size_t>(from); i < kBits; ++i) {
    if (bits.test(i)) return static_cast<int>(i);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Cron> Cron::Parse(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return absl::InvalidArgumentError(
        StrCat("cron: has ", text.size(), " bytes; ", kTextBytesMax, " are enough"));
  }
  std::string_view line = ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
  for (const auto& [word, meaning] : kWords) {
    if (absl::EqualsIgnoreCase(ToAbsl(line), ToAbsl(word))) line = meaning;
  }
  const std::vector<absl::string_view> fields =
      absl::StrSplit(ToAbsl(line), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (fields.size() != kFields) {
    return absl::InvalidArgumentError(StrCat(
        "cron: ", Quote(text), " has ", fields.size(), " fields; say minute, hour, day of the ",
        "month, month and day of the week, such as \"50 12 * * 1-5\""));
  }
  Cron cron;
  absl::Status status = ParseField(0, ToStd(fields[0]), &cron.minutes_);
  if (status.ok()) status = ParseField(1, ToStd(fields[1]), &cron.hours_);
  if (status.ok()) status = ParseField(2, ToStd(fields[2]), &cron.days_);
  if (status.ok()) status = ParseField(3, ToStd(fields[3]), &cron.months_);
  if (status.ok()) status = ParseField(4, ToStd(fields[4]), &cron.weekdays_);
  if (!status.ok()) return status;
  if (cron.weekdays_.test(7)) cron.weekdays_.set(0);
  cron.any_day_ = absl::StartsWith(fields[2], "*");
  cron.any_weekday_ = absl::StartsWith(fields[4], "*");
  if (!cron.FirstFrom(absl::CivilMinute(2000, 3, 1)).has_value()) {
    return absl::InvalidArgumentError(
        StrCat("cron: ", Quote(text), " names a day that never comes; mind how long months are"));
  }
  return cron;
}

bool Cron::MatchesDay(absl::CivilDay day) const {
  if (!months_.test(static_cast<size_t>(day.month()))) return false;
  // absl counts from Monday.
  const size_t weekday = (static_cast<size_t>(absl::GetWeekday(day)) + 1) % 7;
  const bool by_day = days_.test(static_cast<size_t>(day.day()));
  const bool by_weekday = weekdays_.test(weekday);
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

std::optional<absl::CivilMinute> Cron::FirstFrom(absl::CivilMinute from) const {
  const absl::CivilDay first(from);
  const absl::CivilDay last(first.year() + kCronYearsMax, first.month(), first.day());
  for (absl::CivilDay day = first; day <= last; ++day) {
    if (!MatchesDay(day)) continue;
    std::optional<int> hour = FirstBit(hours_, day == first ? from.hour() : 0);
    while (hour.has_value()) {
      const bool begun = day == first && *hour == from.hour();
      const std::optional<int> minute = FirstBit(minutes_, begun ? from.minute() : 0);
      if (minute.has_value()) {
        return absl::CivilMinute(day.year(), day.month(), day.day(), *hour, *minute);
      }
      hour = FirstBit(hours_, *hour + 1);
    }
  }
  return std::nullopt;
}

}  // namespace closewrite
