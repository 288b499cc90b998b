// progress, for use inside a command.
#ifndef SERVICES_CLI_PROGRESS_COMMANDS_H_
#define SERVICES_CLI_PROGRESS_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> ProgressCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_PROGRESS_COMMANDS_H_
