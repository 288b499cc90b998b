// Where the axis of a chart has its labels, and what they say. Pure.
#ifndef SERVICES_PAGE_AXIS_SCALE_H_
#define SERVICES_PAGE_AXIS_SCALE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace closewrite {

struct Tick {
  double value = 0;
  std::string text;
  bool operator==(const Tick&) const = default;
};

// A number with a comma after each three digits: `-12,345`.
std::string Grouped(int64_t number);
// The same up to a million, and `1.5 M` from there on.
std::string CompactCount(double number);
// Seconds in the largest unit of which they are a whole number: `90 s`, `2 min`, `250 ms`.
std::string SecondsLabel(double seconds);

// Whole numbers from 0 to the first round one that is not below `max`, at most `steps_max` steps.
std::vector<Tick> CountTicks(double max, int steps_max);
// Seconds from 0 on, round as people count time.
std::vector<Tick> SecondsTicks(double max, int steps_max);
// Of a logarithmic axis: seconds, from one that is not above `min` to one that is not below `max`.
// Both are positive.
std::vector<Tick> LogSecondsTicks(double min, double max);

// Marks have 64 bits, more than a double can tell apart; so values are distances from `base`, which
// is not above `min`. One tick when `min` and `max` are the same.
struct MarkAxis {
  int64_t base = 0;
  std::vector<Tick> ticks;
};
MarkAxis MarkTicks(int64_t min, int64_t max, int steps_max);

struct TimeTick {
  absl::Time time;
  std::string text;
  bool operator==(const TimeTick&) const = default;
};
// Round times in UTC from `begin` to `end`, at most `ticks_max`: `26 Nov`, `12:00`, `12:00:30`, or
// `Nov` and `2027` of long periods.
std::vector<TimeTick> TimeTicks(absl::Time begin, absl::Time end, int ticks_max);

}  // namespace closewrite

#endif  // SERVICES_PAGE_AXIS_SCALE_H_
