// What could stand next in a command line, for shells.
#ifndef SERVICES_CLI_COMPLETION_H_
#define SERVICES_CLI_COMPLETION_H_

#include <string>
#include <vector>

#include "services/cli/command.h"
#include "services/cli/console.h"

namespace closewrite::cli {

// The hidden verb that the scripts of `closewrite completion` call:
// `closewrite __complete -- WORD...`, the last word being the one that is typed.
inline constexpr char kCompleteVerb[] = "__complete";

// This line asks the shell for names of files.
inline constexpr char kFilesLine[] = ":files";

// Candidates that begin with the last word, one a line; what there is to say about one stands after
// a tab. Where names of jobs, pipelines and the like are due, the coordinator is asked; for a
// second at most, and in silence when it does not answer.
std::string CompletionText(const std::vector<Command>& commands,
                           const std::vector<std::string>& arguments, Console& console);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_COMPLETION_H_
