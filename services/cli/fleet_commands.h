// executors, watchers, version.
#ifndef SERVICES_CLI_FLEET_COMMANDS_H_
#define SERVICES_CLI_FLEET_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite {

std::vector<Command> FleetCommands();

}  // namespace closewrite

#endif  // SERVICES_CLI_FLEET_COMMANDS_H_
