// A wait that ends for one of several reasons.
#ifndef SERVICES_CLI_LOCK_ALARM_H_
#define SERVICES_CLI_LOCK_ALARM_H_

#include "absl/time/time.h"

namespace closewrite::cli {

class Alarm {
 public:
  Alarm();
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Ends a wait, or the next one when there is none. Thread-safe, and does not block.
  void Ring();
  // Returns when it has rung, at `until` on the clock of SinceBoot() - at once after a sleep of the
  // machine, when that is over by then -, or when `file` can be read; -1: there is none. May return
  // early. By one thread at a time.
  void Wait(absl::Duration until, int file = -1);

 private:
  const int timer_;
  const int bell_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_ALARM_H_
