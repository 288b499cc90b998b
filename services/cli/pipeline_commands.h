// pipeline apply, list, delete and test.
#ifndef SERVICES_CLI_PIPELINE_COMMANDS_H_
#define SERVICES_CLI_PIPELINE_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> PipelineCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_PIPELINE_COMMANDS_H_
