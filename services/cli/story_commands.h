// logs, explain.
#ifndef SERVICES_CLI_STORY_COMMANDS_H_
#define SERVICES_CLI_STORY_COMMANDS_H_

#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

std::vector<Command> StoryCommands();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_STORY_COMMANDS_H_
