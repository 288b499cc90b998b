// The whole command line as one function.
#ifndef SERVICES_CLI_CLI_H_
#define SERVICES_CLI_CLI_H_

#include "services/cli/console.h"

namespace closewrite::cli {

// Runs one command line and returns its exit code. Everything that it reads and writes goes through
// `console`.
int RunCli(int argc, const char* const* argv, Console& console);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CLI_H_
