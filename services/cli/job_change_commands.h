// `retry`, `redrive`, `cancel`: what becomes of jobs.
#ifndef SERVICES_CLI_JOB_CHANGE_COMMANDS_H_
#define SERVICES_CLI_JOB_CHANGE_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> JobChangeCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOB_CHANGE_COMMANDS_H_
