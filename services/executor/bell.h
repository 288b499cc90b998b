// Wakes a thread that waits for a time or an event, whichever comes first.
#ifndef SERVICES_EXECUTOR_BELL_H_
#define SERVICES_EXECUTOR_BELL_H_

#include "absl/time/time.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// A bell that has been rung wakes the next wait, too, so that no ring is lost. Waits on the
// monotonic clock: condition variables of this Abseil wait on the wall clock, and a corrected wall
// clock must not hold a heartbeat back. Thread-safe; one thread waits.
class Bell {
 public:
  Bell();
  void Ring();
  // True when the bell was rung, false when the time is over.
  bool Wait(absl::Duration timeout);

 private:
  const Fd event_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_BELL_H_
