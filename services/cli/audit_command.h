// audit.
#ifndef SERVICES_CLI_AUDIT_COMMAND_H_
#define SERVICES_CLI_AUDIT_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command AuditCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_AUDIT_COMMAND_H_
