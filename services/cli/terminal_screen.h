// A Screen on a real terminal.
#ifndef SERVICES_CLI_TERMINAL_SCREEN_H_
#define SERVICES_CLI_TERMINAL_SCREEN_H_

#include <memory>

#include "services/cli/screen.h"

namespace closewrite::cli {

// Keys come from `in`, the picture goes to `out`; both are file descriptors of a terminal. One at a
// time. Ctrl-C stays a signal.
std::unique_ptr<Screen> TakeTerminal(int in, int out);

// Gives the terminal back if somebody has it: for ways out that run no destructors. Thread-safe.
void GiveTerminalBack();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TERMINAL_SCREEN_H_
