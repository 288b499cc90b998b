// Asking before much is changed.
#ifndef SERVICES_CLI_CONFIRM_H_
#define SERVICES_CLI_CONFIRM_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// Asks `question`, such as `cancel 12 jobs`, on a terminal; true for y and yes. INVALID_ARGUMENT
// (usage) when there is nobody to ask, which says that --yes does it.
absl::StatusOr<bool> Confirm(Invocation& invocation, std::string_view question);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CONFIRM_H_
