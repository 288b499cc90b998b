// token new: secrets that people and scripts show in place of a certificate.
#ifndef SERVICES_CLI_CERTS_TOKEN_COMMAND_H_
#define SERVICES_CLI_CERTS_TOKEN_COMMAND_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> TokenCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_TOKEN_COMMAND_H_
