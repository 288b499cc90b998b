// task add, apply, start, stop, list, show, run, history, logs and remove.
#ifndef SERVICES_CLI_TASK_COMMANDS_H_
#define SERVICES_CLI_TASK_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"
#include "services/cli/invocation.h"
#include "services/cli/json.h"

namespace closewrite::cli {

// A task of that name exists already; the number of gRPC's ALREADY_EXISTS.
inline constexpr int kExitExists = 6;

Command TaskAddCommand();
std::vector<Command> TaskCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TASK_COMMANDS_H_
