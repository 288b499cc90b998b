// Waiting until everything that has happened in a volume is known to the coordinator.
#ifndef SERVICES_CLI_FLUSH_WAIT_H_
#define SERVICES_CLI_FLUSH_WAIT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// Of `closewrite flush` without --timeout.
inline constexpr absl::Duration kFlushTimeoutDefault = absl::Seconds(30);

// Returns when everything that happened in the volume before the call is recorded and has made its
// jobs; waits for a watcher that is away. DEADLINE_EXCEEDED says why it was not; the other errors
// are those of EventService.FlushEvents and of Client.
absl::Status FlushVolume(Invocation& invocation, const std::string& volume, absl::Time deadline);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FLUSH_WAIT_H_
