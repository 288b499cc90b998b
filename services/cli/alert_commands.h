// `alert list`, `alert messages`, `alert test`.
#ifndef SERVICES_CLI_ALERT_COMMANDS_H_
#define SERVICES_CLI_ALERT_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> AlertCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_ALERT_COMMANDS_H_
