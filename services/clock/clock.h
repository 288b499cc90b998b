// The one room where clocks are read. Everything else is given `now`.
#ifndef SERVICES_CLOCK_CLOCK_H_
#define SERVICES_CLOCK_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace closewrite {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

// Wall-clock time that never jumps while the process lives: the wall clock is read once, at
// construction, and CLOCK_BOOTTIME (which counts suspended time too, clock_gettime(2)) is added.
// So a corrected or broken system clock can't expire a session or hold a retry back.
class SteadyClock : public Clock {
 public:
  SteadyClock();
  absl::Time Now() const override;

 private:
  const absl::Time wall_at_start_;
  const absl::Duration boot_at_start_;
};

// A clock that tests set.
class ManualClock : public Clock {
 public:
  explicit ManualClock(absl::Time start) : unix_ns_(absl::ToUnixNanos(start)) {}
  absl::Time Now() const override { return absl::FromUnixNanos(unix_ns_.load()); }
  void Advance(absl::Duration by) { unix_ns_.fetch_add(absl::ToInt64Nanoseconds(by)); }

 private:
  std::atomic<int64_t> unix_ns_;
};

// The wall clock of this host as it is now, wrong or corrected: to be shown and compared with
// those of others, never to decide by.
absl::Time WallTime();

// Time since boot, suspended time included.
absl::Duration SinceBoot();

// Which start of the kernel this is; "" when it can't be told.
std::string BootId();

}  // namespace closewrite

#endif  // SERVICES_CLOCK_CLOCK_H_
