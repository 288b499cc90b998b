// `closewrite task logs`.
#ifndef SERVICES_CLI_TASK_LOGS_COMMAND_H_
#define SERVICES_CLI_TASK_LOGS_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command TaskLogsCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TASK_LOGS_COMMAND_H_
