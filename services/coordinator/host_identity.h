// That a host is the one that its certificate names.
#ifndef SERVICES_COORDINATOR_HOST_IDENTITY_H_
#define SERVICES_COORDINATOR_HOST_IDENTITY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/access/caller.h"
#include "services/coordinator/core/presence.h"

namespace closewrite {

// All are OK where the coordinator has no TLS, and callers no certificate. PERMISSION_DENIED says
// what the certificate allows.

// Of the executor's host, its name (the host's, or one that begins with `HOST-`), and its labels.
absl::Status CheckMayAttend(const Caller& caller, const ExecutorHello& hello);

// Of a session of an executor on `host`.
absl::Status CheckMayEnd(const Caller& caller, std::string_view host);

// Of the watcher's host and the volumes that it is home of.
absl::Status CheckMayObserve(const Caller& caller, std::string_view host,
                             const std::vector<VolumeReport>& volumes);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_HOST_IDENTITY_H_
