// Exit codes; `closewrite help exit-codes` explains them.
#ifndef SERVICES_CLI_EXIT_CODE_H_
#define SERVICES_CLI_EXIT_CODE_H_

#include <string_view>

#include "absl/status/status.h"

namespace closewrite::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitTimedOut = 124;  // as timeout(1) of GNU coreutils
inline constexpr int kExitOurs = 125;
inline constexpr int kExitInterrupted = 130;  // 128 + SIGINT, as shells say it

// A wrong command line: exit code 2.
absl::Status UsageError(std::string_view message);

// Exit code of a status that ended a command.
int ExitCode(const absl::Status& status);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_EXIT_CODE_H_
