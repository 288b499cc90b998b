// Help texts that belong to no single command.
#ifndef SERVICES_CLI_HELP_H_
#define SERVICES_CLI_HELP_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

// What `closewrite help` prints.
std::string OverviewText(const std::vector<Command>& commands);

// `exit-codes`, `environment` or `json`; "" for any other topic.
std::string TopicText(std::string_view topic);
std::vector<std::string> Topics();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_HELP_H_
