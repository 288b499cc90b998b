// `backup`: a copy of the coordinator's store.
#ifndef SERVICES_CLI_BACKUP_COMMAND_H_
#define SERVICES_CLI_BACKUP_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command BackupCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_BACKUP_COMMAND_H_
