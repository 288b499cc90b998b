// What the command lines of all services have in common.
#ifndef SERVICES_CONFIG_COMMAND_LINE_H_
#define SERVICES_CONFIG_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace closewrite {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 2;          // wrong arguments or configuration
inline constexpr int kExitOurs = 125;         // ours failed
inline constexpr int kExitInterrupted = 130;  // by SIGINT or SIGTERM

// One that a program has beside the fields of its configuration.
struct CommandLineOption {
  std::string flag;  // "--backup"
  std::string help;
  std::string* value;  // left alone when it is not given; not owned
};

// Fills `config` from `--config FILE`, then CLOSEWRITE_<FIELD> of the environment, then --<field>
// flags (each scalar field of the message has one; `_` is written `-` in flags), later ones
// overriding earlier ones. Handles
// --help, --version and --check-config, which prints every value that is set and where it came
// from.
//
// Switches off Abseil's detection of deadlocks, as every service's main begins with this.
//
// Returns the exit code if the program is to end now (after one line on stderr if something is
// wrong), nullopt to go on. `program` is the program's name, such as "closewrite-watcher".
std::optional<int> ReadCommandLine(int argc, char** argv, const std::string& program,
                                   google::protobuf::Message* config,
                                   const std::vector<CommandLineOption>& options = {});

// Prints `program: message` as one line on stderr and returns kExitUsage. For configurations that
// turn out to be wrong after they were read.
int RefuseConfiguration(const std::string& program, const std::string& message);

}  // namespace closewrite

#endif  // SERVICES_CONFIG_COMMAND_LINE_H_
