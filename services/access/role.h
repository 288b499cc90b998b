// What somebody is to the coordinator, which decides what they may do.
#ifndef SERVICES_ACCESS_ROLE_H_
#define SERVICES_ACCESS_ROLE_H_

#include <string_view>

#include "absl/status/statusor.h"

namespace closewrite {

enum class Role {
  kAnybody,      // neither certificate nor token, or a service without TLS
  kCoordinator,  // a coordinator
  kWatcher,      // of one host and of some volumes
  kExecutor,     // of one host and of some labels
  kPortal,       // acts for those who signed in there
  kViewer,       // reads everything
  kUploader,     // uploads files and fetches their results
  kProgram,      // shares locks and rates, tells of executions and loads
  kOperator,     // reads everything; submits, retries and cancels jobs; starts and stops tasks
  kAdmin,        // everything
};

// As certificates, tokens and messages have it: "watcher", "anybody".
std::string_view RoleName(Role role);

// INVALID_ARGUMENT for what is no role that can be given (`anybody` can't); names them all.
absl::StatusOr<Role> ParseRole(std::string_view name);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_ROLE_H_
