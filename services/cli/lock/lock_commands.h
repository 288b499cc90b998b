// What people see and change of locks, and all commands about them.
#ifndef SERVICES_CLI_LOCK_LOCK_COMMANDS_H_
#define SERVICES_CLI_LOCK_LOCK_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

// `lock run`, `hold`, `list`, `watch`, `release` and `set`.
std::vector<Command> LockCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_COMMANDS_H_
