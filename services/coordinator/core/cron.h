// The five fields of a crontab line: minute, hour, day of the month, month, day of the week. Pure.
//
// As crontab(5) has them (https://man7.org/linux/man-pages/man5/crontab.5.html): `*`, numbers,
// ranges, lists, steps such as `*/15` or `10-30/5`, names such as `mon` or `JAN`, 0 and 7 for
// Sunday; a day counts when it matches either of the two day fields, if neither begins with `*`.
// `@hourly @daily @midnight @weekly @monthly @yearly @annually` stand for what they say there.
#ifndef SERVICES_COORDINATOR_CORE_CRON_H_
#define SERVICES_COORDINATOR_CORE_CRON_H_

#include <bitset>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"

namespace closewrite {

// A day that comes more rarely never comes: between two 29th of February there are at most 8 years.
inline constexpr int kCronYearsMax = 8;

class Cron {
 public:
  // INVALID_ARGUMENT: names the field, what is wrong with it and what would be right; also for days
  // that never come, such as the 30th of February.
  static absl::StatusOr<Cron> Parse(std::string_view text);

  // The first minute that matches, `from` or later; nothing when none does within kCronYearsMax.
  std::optional<absl::CivilMinute> FirstFrom(absl::CivilMinute from) const;

  // The hour field is `*`: it means real hours, however often the clock shows them.
  bool every_hour() const { return hours_.all(); }

 private:
  bool MatchesDay(absl::CivilDay day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // of the month, from 1
  std::bitset<13> months_;   // from 1
  std::bitset<8> weekdays_;  // from Sunday; 7 is Sunday too
  bool any_day_ = false;     // the field begins with `*`
  bool any_weekday_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_CRON_H_
