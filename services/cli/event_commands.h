// events, flush.
#ifndef SERVICES_CLI_EVENT_COMMANDS_H_
#define SERVICES_CLI_EVENT_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> EventCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_EVENT_COMMANDS_H_
