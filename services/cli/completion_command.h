// completion: scripts for shells, which call the command line back.
#ifndef SERVICES_CLI_COMPLETION_COMMAND_H_
#define SERVICES_CLI_COMPLETION_COMMAND_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> CompletionCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_COMPLETION_COMMAND_H_
