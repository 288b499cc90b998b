// When a task is due. Pure: times go in, times come out; the zone comes loaded.
//
// Clocks that are set forward and back: what is due at a time that the clock leaves out is due when
// the clock goes on, and what is due at a time that it shows twice is due at the first of the two.
// So a daily task runs once a day. What repeats by seconds, minutes or hours, or by a cron line
// whose hour is `*`, follows real time: it neither pauses nor hurries.
#ifndef SERVICES_COORDINATOR_CORE_SCHEDULE_H_
#define SERVICES_COORDINATOR_CORE_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "services/coordinator/core/cron.h"

namespace closewrite {

// Every `count` units, counted from the schedule's start.
struct Period {
  enum class Unit { kSecond, kMinute, kHour, kDay, kWeek, kMonth };
  int64_t count = 1;
  Unit unit = Unit::kDay;
};
// Of each unit; more is a mistake.
inline constexpr int64_t kPeriodCountMax = 100'000;

// `2 min`, `1 hour`, `day`, `30s`, `2 weeks`. INVALID_ARGUMENT says what would be right.
absl::StatusOr<Period> ParsePeriod(std::string_view text);
// Of a start; a year outside of them is a mistake.
inline constexpr int kStartYearMin = 1970;
inline constexpr int kStartYearMax = 9999;
// `2027-02-27 12:50`, `2027-02-27 12:50:30` or `2027-02-27`, as a clock on the wall shows it.
absl::StatusOr<absl::CivilSecond> ParseStart(std::string_view text);

struct Schedule {
  std::variant<Period, Cron> rule;
  absl::TimeZone zone;
  // A period counts from it; nothing is due before it. The months of a period that are too short
  // for its day are due on their last one.
  absl::CivilSecond start;
};

// The first time after `after` at which the schedule is due; nothing when it never is again.
std::optional<absl::Time> NextDue(const Schedule& schedule, absl::Time after);

// The newest `max` of the times after `after` and not after `until`, the oldest first. Takes as
// long as `max` wants, not as `until - after` does.
std::vector<absl::Time> LatestDue(const Schedule& schedule, absl::Time after, absl::Time until,
                                  size_t max);

// What becomes of the times that passed while nobody looked.
enum class CatchUp { kNone, kLatest, kAll };
// What is run now of what was due after `seen` and not after `now`, the oldest first: the newest,
// of `kAll` the newest `all_max`; of `kNone` it is left out when it is older than `on_time`.
std::vector<absl::Time> DueNow(const Schedule& schedule, absl::Time seen, absl::Time now,
                               CatchUp catch_up, absl::Duration on_time, size_t all_max);

// How much later than its due times a task runs, so that not all tasks run at once: a part of
// `longest` that is always the same for one task, so that it needs not be stored and its runs keep
// their distances, and spread evenly over the tasks. Less than `longest`; zero of zero.
absl::Duration Jitter(std::string_view task, absl::Duration longest);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_SCHEDULE_H_
