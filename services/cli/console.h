// Everything of the outside world that the command line touches, so that tests can stand in for it.
#ifndef SERVICES_CLI_CONSOLE_H_
#define SERVICES_CLI_CONSOLE_H_

#include <functional>
#include <istream>
#include <ostream>
#include <string>

#include "services/cli/interrupts.h"
#include "services/clock/clock.h"

namespace closewrite::cli {

// Owned by main, or by a test; nothing in it may be null.
struct Console {
  std::istream* in;
  std::ostream* out;  // data
  std::ostream* err;  // everything else
  bool out_terminal = false;
  bool err_terminal = false;
  int out_width = 80;  // columns of the terminal
  int err_width = 80;
  // An environment variable's value, "" when it is not set.
  std::function<std::string(const std::string& name)> environment;
  const Clock* clock;
  Interrupts* interrupts;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CONSOLE_H_
