// What commands may do on this host, as the configuration of its executor says.
#ifndef SERVICES_EXECUTOR_CONFINEMENT_H_
#define SERVICES_EXECUTOR_CONFINEMENT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "services/executor/account.h"
#include "services/executor/allowed_commands.h"
#include "services/executor/local_volumes.h"

namespace closewrite::executor {

struct Confinement {
  std::string executor;  // its name, for messages
  AllowedCommands allowed;
  std::optional<Account> run_as;  // nullopt: as the executor
  bool no_new_privs = true;
  bool sandbox = false;
  // What is to stay in the sandbox though it lies below a private folder, see sandbox.h.
  std::vector<std::string> kept;
  std::map<std::string, std::string> environment_files;  // by variable
};

// INVALID_ARGUMENT, one line for people, for the first value that can't be meant. Fills in
// defaults; looks at nothing.
absl::Status CompleteConfinement(v1::ExecutorConfig* config);

// Looks at this host: whether programs and users are there, and the sandbox can be had, by trying
// it with `supervisor_image`. Errors are one line for people. Logs what is unwise.
absl::StatusOr<Confinement> ConfinementOf(const v1::ExecutorConfig& config,
                                          const LocalVolumes& volumes, int supervisor_image);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_CONFINEMENT_H_
