// The shape of a command: what it is called, what it takes, what it does.
#ifndef SERVICES_CLI_COMMAND_H_
#define SERVICES_CLI_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// Does the work. The number is the exit code; a status is printed as one line and turned into one.
using Action = std::function<absl::StatusOr<int>(Invocation&)>;

struct Command {
  std::string name;             // one or two words, such as "pipeline apply"
  std::string arguments;        // for help, such as "JOB... [--reason TEXT]"
  std::string summary;          // sentences; the first one stands in lists of commands
  std::string examples;         // lines; may be empty
  bool examples_first = false;  // in its help: they say more than the options
  bool names = false;           // takes `-o name`
  bool csv = false;             // takes `-o csv`
  bool html = false;            // takes `-o html` and `-o json` alone
  bool local = false;           // asks no coordinator
  // How long it looks for a coordinator that can't be reached, where that is not the general
  // default.
  std::string connect_timeout;
  // Declares options and arguments; what it returns is run once they are parsed. Shells complete
  // them by their names: see Values in completion.cc.
  std::function<Action(CLI::App&)> declare;
};

inline std::string FirstSentence(const std::string& summary) {
  return summary.substr(0, summary.find(". ")) + (summary.find(". ") < summary.size() ? "." : "");
}

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_COMMAND_H_
