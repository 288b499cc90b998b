#include "services/clock/clock.h"

#include <time.h>

#include "absl/time/clock.h"

namespace closewrite {

absl::Duration SinceBoot() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

SteadyClock::SteadyClock() : wall_at_start_(absl::Now()), boot_at_start_(SinceBoot()) {}

absl::Time SteadyClock::Now() const { return wall_at_start_ + (SinceBoot() - boot_at_start_); }

}  // namespace closewrite
