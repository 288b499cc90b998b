#include "services/clock/clock.h"

#include <time.h>

#include <fstream>

#include "absl/time/clock.h"

namespace closewrite {

absl::Time WallTime() { return absl::Now(); }

absl::Duration SinceBoot() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

std::string BootId() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  in >> id;
  return id;
}

SteadyClock::SteadyClock() : wall_at_start_(absl::Now()), boot_at_start_(SinceBoot()) {}

absl::Time SteadyClock::Now() const { return wall_at_start_ + (SinceBoot() - boot_at_start_); }

}  // namespace closewrite
