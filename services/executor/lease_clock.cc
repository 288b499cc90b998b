#include "services/executor/lease_clock.h"

#include <algorithm>

namespace closewrite::executor {

void LeaseClock::Sent(int64_t sequence, absl::Duration now) {
  if (sent_.size() >= kUnansweredHeartbeatsMax) sent_.pop_front();
  sent_.emplace_back(sequence, now);
}

void LeaseClock::Answered(int64_t sequence, absl::Duration session_ttl) {
  while (!sent_.empty() && sent_.front().first <= sequence) {
    deadline_ = std::max(deadline_, sent_.front().second + session_ttl * 2 / 3);
    sent_.pop_front();
  }
}

}  // namespace closewrite::executor
