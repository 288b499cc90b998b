// submit, run, wait.
#ifndef SERVICES_CLI_SUBMIT_COMMANDS_H_
#define SERVICES_CLI_SUBMIT_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> SubmitCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_SUBMIT_COMMANDS_H_
