// The table of commands.
#ifndef SERVICES_CLI_ALL_COMMANDS_H_
#define SERVICES_CLI_ALL_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

// Every command that people see, in the order of the help.
std::vector<Command> AllCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_ALL_COMMANDS_H_
