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

// What `closewrite help VERB` prints where VERB is the first word of several commands; "" when it
// is not.
std::string GroupText(const std::vector<Command>& commands, std::string_view verb);

// One of Topics(); "" for any other.
std::string TopicText(std::string_view topic);
std::vector<std::string> Topics();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_HELP_H_
