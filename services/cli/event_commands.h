// events.
#ifndef SERVICES_CLI_EVENT_COMMANDS_H_
#define SERVICES_CLI_EVENT_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite {

std::vector<Command> EventCommands();

}  // namespace closewrite

#endif  // SERVICES_CLI_EVENT_COMMANDS_H_
