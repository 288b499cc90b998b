// What may run on this host, whatever the coordinator says.
#ifndef SERVICES_EXECUTOR_ALLOWED_COMMANDS_H_
#define SERVICES_EXECUTOR_ALLOWED_COMMANDS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/account.h"

namespace closewrite::executor {

inline constexpr int kAllowedCommandsMax = 1000;

// `allow_commands` of the configuration: programs, and folders below which each program may run.
// Where links lead is looked up anew for each command, so that programs may be replaced by their
// packages. Thread-safe.
class AllowedCommands {
 public:
  // Everything.
  AllowedCommands() = default;
  explicit AllowedCommands(std::vector<std::string> entries) : entries_(std::move(entries)) {}

  // OK when each entry is an absolute path of a program or folder that is there; else one line for
  // people.
  absl::Status Check() const;

  bool everything() const { return entries_.empty(); }
  const std::vector<std::string>& entries() const { return entries_; }

  // The file that `program`, an absolute path, stands for, with all links followed: it is to be
  // executed by this name, for links may change. NOT_FOUND when it does not exist,
  // PERMISSION_DENIED, with the part of a sentence for people, when it may not run.
  absl::StatusOr<std::string> Resolve(const std::string& program) const;

  // A sentence for each entry that commands of `user`, or everybody, can replace or add to.
  std::vector<std::string> Warnings(const Account& user) const;

 private:
  std::vector<std::string> entries_;
};

// Whether a variable makes programs run what it names, as LD_PRELOAD and PATH do. Where not
// everything may run, only this host may set such ones.
bool NamesCode(std::string_view variable);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ALLOWED_COMMANDS_H_
