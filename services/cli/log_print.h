// What `closewrite logs` prints.
#ifndef SERVICES_CLI_LOG_PRINT_H_
#define SERVICES_CLI_LOG_PRINT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/cli/invocation.h"
#include "services/cli/log_follow.h"

namespace closewrite::cli {

// What the user may say about any log.
struct LogFlags {
  std::optional<int64_t> token;
  int64_t tail = 0;
  bool follow = false;
  bool standard_output = false;
  bool standard_error = false;
  bool timestamps = false;
};

// Adds -f, --token, --tail, --stdout, --stderr and --timestamps; what the first two mean differs.
void DeclareLogFlags(CLI::App& app, const std::string& follow, const std::string& token,
                     LogFlags* flags);

// Without the job. INVALID_ARGUMENT (usage) names the option that is wrong.
absl::StatusOr<LogOptions> MakeLogOptions(Invocation& invocation, const LogFlags& flags);

// Prints a log as bytes, as lines with their times, or as lines of JSON (when the user has asked
// for that). Where only some streams are wanted, so that a command's output goes on to a program,
// notes go to stderr.
absl::Status PrintLog(Invocation& invocation, LogOptions options, bool timestamps);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOG_PRINT_H_
