// From words to options, by CLI11.
#ifndef SERVICES_CLI_COMMAND_PARSER_H_
#define SERVICES_CLI_COMMAND_PARSER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/cli/command.h"
#include "services/cli/settings.h"

namespace closewrite::cli {

// `closewrite jobs [--state S,...]`.
std::string UsageText(const Command& command);

// The options that may stand before a command.
void DeclareGlobals(CLI::App& app, GlobalOptions* globals);

// Declares what a command takes, and the options of all. `app` is fresh and lives as long as what
// is returned.
Action Declare(const Command& command, GlobalOptions* globals, CLI::App& app);

// What `--help` prints.
std::string HelpText(const CLI::App& app);

// INVALID_ARGUMENT (usage) for a word that looks like an option and is none; names the nearest.
absl::Status UnknownOption(const CLI::App& app, const std::string& word);

// Parses as much as `app` knows; app.remaining() has the rest. INVALID_ARGUMENT (usage) names the
// argument that is wrong.
absl::Status ParseSome(CLI::App& app, const std::vector<std::string>& arguments);

// Parses all. INVALID_ARGUMENT (usage) for what is wrong or unknown, with the nearest option.
absl::Status ParseAll(CLI::App& app, const std::vector<std::string>& arguments);

// What was not parsed, as the user wrote it.
std::vector<std::string> Remaining(const CLI::App& app);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_COMMAND_PARSER_H_
