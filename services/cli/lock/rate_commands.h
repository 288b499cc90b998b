// Rates: so many calls in a time, for the fleet as a whole.
#ifndef SERVICES_CLI_LOCK_RATE_COMMANDS_H_
#define SERVICES_CLI_LOCK_RATE_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

// `rate take`, `list` and `set`.
std::vector<Command> RateCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_RATE_COMMANDS_H_
