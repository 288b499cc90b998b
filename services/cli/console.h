// Everything of the outside world that the command line touches, so that tests can stand in for it.
#ifndef SERVICES_CLI_CONSOLE_H_
#define SERVICES_CLI_CONSOLE_H_

#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "services/cli/interrupts.h"
#include "services/cli/screen.h"
#include "services/clock/clock.h"

namespace closewrite::cli {

class Keeper;

// Owned by main, or by a test; nothing in it may be null but the keeper.
struct Console {
  std::istream* in;
  std::ostream* out;   // data
  std::ostream* err;   // everything else
  int in_file = -1;    // the descriptor of `in`; -1: it has none, and never ends
  std::string commit;  // that the program was built from; "" is not told
  bool in_terminal = false;
  bool out_terminal = false;
  bool err_terminal = false;
  int out_width = 80;  // columns of the terminal
  int err_width = 80;
  // Waits until `in` has something to read or has ended, at most so long; false when it has not.
  std::function<bool(absl::Duration timeout)> await_input;
  // Takes the terminal for a picture, while it lives; only where `in` and `out` are terminals.
  std::function<std::unique_ptr<Screen>()> take_screen;
  // An environment variable's value, "" when it is not set.
  std::function<std::string(const std::string& name)> environment;
  const Clock* clock;
  Interrupts* interrupts;
  // Ready to start the command of `lock run`; null: this command line has none.
  Keeper* keeper = nullptr;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CONSOLE_H_
