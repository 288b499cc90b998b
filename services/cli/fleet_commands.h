// executors, watchers, version.
#ifndef SERVICES_CLI_FLEET_COMMANDS_H_
#define SERVICES_CLI_FLEET_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> FleetCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FLEET_COMMANDS_H_
