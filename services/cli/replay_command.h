// `replay`: files that have had their job once are done again.
#ifndef SERVICES_CLI_REPLAY_COMMAND_H_
#define SERVICES_CLI_REPLAY_COMMAND_H_

#include "services/cli/command.h"

namespace closewrite::cli {

Command ReplayCommand();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_REPLAY_COMMAND_H_
