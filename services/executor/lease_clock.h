// Until when the leases of a session are good, as its executor may reckon.
#ifndef SERVICES_EXECUTOR_LEASE_CLOCK_H_
#define SERVICES_EXECUTOR_LEASE_CLOCK_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/time/time.h"

namespace closewrite::executor {

// Heartbeats that are remembered until they are answered; of more the oldest are forgotten, which
// only makes the lease shorter.
inline constexpr size_t kUnansweredHeartbeatsMax = 64;

// A lease is good for two thirds of the session's time to live, counted from when the heartbeat
// left, not from when its answer came: so whatever the network did in between, the executor is done
// killing before the coordinator may give the job away. All times are points on the clock of
// SinceBoot(), which goes on while the machine sleeps. Not thread-safe.
class LeaseClock {
 public:
  // A new stream: its messages are numbered from 1 again.
  void StartStream() { sent_.clear(); }
  // A new session: nothing is leased.
  void StartSession() {
    sent_.clear();
    deadline_ = absl::ZeroDuration();
  }

  // A heartbeat leaves.
  void Sent(int64_t sequence, absl::Duration now);
  // The coordinator has committed all messages up to `sequence`. The deadline never moves back.
  void Answered(int64_t sequence, absl::Duration session_ttl);

  // When the oldest heartbeat of this stream left that is not answered; never, when there is none.
  absl::Duration unanswered_since() const {
    return sent_.empty() ? absl::InfiniteDuration() : sent_.front().second;
  }
  // Zero before the first answer.
  absl::Duration deadline() const { return deadline_; }
  bool Expired(absl::Duration now) const { return now >= deadline_; }

 private:
  std::deque<std::pair<int64_t, absl::Duration>> sent_;
  absl::Duration deadline_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LEASE_CLOCK_H_
