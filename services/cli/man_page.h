// The manual page, made of the table of commands and the help's topics.
#ifndef SERVICES_CLI_MAN_PAGE_H_
#define SERVICES_CLI_MAN_PAGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/cli/command.h"

namespace closewrite::cli {

// The hidden verb that prints it, for the build.
inline constexpr char kManVerb[] = "__man";

// closewrite.1, in the macros of man(7).
std::string ManPage(const std::vector<Command>& commands);

// Text of a help topic as roff: paragraphs, `  TERM   text` lines as a list of terms with its
// continuations, and other indented lines as they are.
std::string TopicRoff(std::string_view text);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_MAN_PAGE_H_
