// What scripts report and ask: executions, loads, increments, models.
#ifndef SERVICES_CLI_MONITOR_COMMANDS_H_
#define SERVICES_CLI_MONITOR_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> MonitorCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_MONITOR_COMMANDS_H_
