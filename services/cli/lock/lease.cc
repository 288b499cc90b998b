#include "services/cli/lock/lease.h"

#include <algorithm>

namespace closewrite::cli {

void Lease::Answered(absl::Duration sent, absl::Duration session_ttl) {
  if (sent + session_ttl <= expires_at()) return;
  sent_ = sent;
  ttl_ = session_ttl;
}

absl::Duration Lease::terminate_at() const { return end() - std::min(kEndGraceMax, ttl_ / 12); }

}  // namespace closewrite::cli
