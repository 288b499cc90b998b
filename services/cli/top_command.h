// `top`: what goes on in the fleet, as it goes on.
#ifndef SERVICES_CLI_TOP_COMMAND_H_
#define SERVICES_CLI_TOP_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command TopCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TOP_COMMAND_H_
