// certs: a private authority for fleets that have none.
#ifndef SERVICES_CLI_CERTS_CERTS_COMMANDS_H_
#define SERVICES_CLI_CERTS_CERTS_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> CertsCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_CERTS_COMMANDS_H_
