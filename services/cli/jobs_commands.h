// jobs, job, retry, redrive, cancel.
#ifndef SERVICES_CLI_JOBS_COMMANDS_H_
#define SERVICES_CLI_JOBS_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> JobsCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOBS_COMMANDS_H_
