// What is asked for when a lock is.
#ifndef SERVICES_CLI_LOCK_LOCK_OPTIONS_H_
#define SERVICES_CLI_LOCK_LOCK_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/lock.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// What sysexits.h calls EX_TEMPFAIL: busy, try again later.
inline constexpr int kExitBusy = 75;

// As the user wrote them.
struct LockOptions {
  std::string name;
  std::string wait;
  bool no_wait = false;
  int32_t capacity = 0;  // 0: whatever it is
  int32_t priority = 0;
};

// Declares the options; NAME comes first.
void DeclareLockOptions(CLI::App& app, LockOptions* options);

// Names of locks and rates, as the API takes them. `what` is `lock` or `rate`.
absl::Status CheckName(std::string_view what, const std::string& name);
absl::Status CheckCapacity(int32_t capacity);
absl::Status CheckLockOptions(const LockOptions& options);

// When the wait ends that --wait or --timeout asks for; the infinite future for neither. A wrong
// time is a usage error.
absl::StatusOr<absl::Time> WaitDeadline(const Invocation& invocation, const std::string& wait);

// For the coordinator's eyes: UTF-8 whatever `text` is, and no longer than the API takes.
std::string ShortText(const std::string& text);

// This process, which runs `program`.
v1::LockProgram ThisProgram(const Invocation& invocation, const std::string& program);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_OPTIONS_H_
