// Until when a lock is good, as its holder may reckon.
#ifndef SERVICES_CLI_LOCK_LEASE_H_
#define SERVICES_CLI_LOCK_LEASE_H_

#include "absl/time/time.h"

namespace closewrite::cli {

// Programs that are told to end have no longer than this for it, and less where leases are short.
inline constexpr absl::Duration kEndGraceMax = absl::Seconds(5);

// All times are points on the clock of SinceBoot(), which goes on while the machine sleeps, and are
// counted from when the last request left that was answered, not from when its answer came: so
// whatever the network did in between, the holder is done before anybody else may begin.
class Lease {
 public:
  // Something that left at `sent` was answered: since it was received the session lives for
  // `session_ttl`. No time moves back.
  void Answered(absl::Duration sent, absl::Duration session_ttl);

  // When the next renewal is to leave.
  absl::Duration renew_at() const { return sent_ + ttl_ / 3; }
  // When the holder must begin to end, so that it has time for it.
  absl::Duration terminate_at() const;
  // By when nothing of it is left.
  absl::Duration end() const { return sent_ + ttl_ * 2 / 3; }
  // From then on the coordinator may have given the lock away.
  absl::Duration expires_at() const { return sent_ + ttl_; }
  // Of one try to renew: two fit in before the holder must begin to end.
  absl::Duration try_max() const { return ttl_ / 8; }
  // How late the end may be noticed elsewhere before one must act oneself.
  absl::Duration late_max() const { return ttl_ / 24; }

 private:
  absl::Duration sent_;
  absl::Duration ttl_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LEASE_H_
