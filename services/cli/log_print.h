// What `closewrite logs` prints.
#ifndef SERVICES_CLI_LOG_PRINT_H_
#define SERVICES_CLI_LOG_PRINT_H_

#include "absl/status/status.h"
#include "services/cli/invocation.h"
#include "services/cli/log_follow.h"

namespace closewrite::cli {

// Prints a log as bytes, as lines with their times, or as lines of JSON (when the user has asked
// for that). Where only some streams are wanted, so that a command's output goes on to a program,
// notes go to stderr.
absl::Status PrintLog(Invocation& invocation, LogOptions options, bool timestamps);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOG_PRINT_H_
