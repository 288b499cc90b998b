// context and config: what the command line itself is told.
#ifndef SERVICES_CLI_SETTINGS_COMMANDS_H_
#define SERVICES_CLI_SETTINGS_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> SettingsCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_SETTINGS_COMMANDS_H_
