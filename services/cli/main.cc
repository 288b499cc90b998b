// closewrite: the command line of Closewrite.
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "services/cli/cli.h"
#include "services/cli/terminal_screen.h"
#include "services/transport/server.h"

namespace {

constexpr int kWidthDefault = 80;
// A program that does not react to so many Ctrl-C is ended.
constexpr int kInterruptsMax = 3;

int TerminalWidth(int fd) {
  winsize size = {};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kWidthDefault;
}

std::string Environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool AwaitInput(absl::Duration timeout) {
  pollfd in = {STDIN_FILENO, POLLIN, 0};
  return poll(&in, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

// Ends as a shell expects of a program that a signal has ended.
void HandleSignals(closewrite::cli::Interrupts* interrupts) {
  for (int count = 1;; ++count) {
    const int signal = closewrite::WaitForStopSignal();
    if (signal != SIGINT || count > kInterruptsMax) {
      closewrite::cli::GiveTerminalBack();
      std::_Exit(128 + signal);
    }
    interrupts->Notify();
  }
}

}  // namespace

int main(int argc, char** argv) {
  closewrite::BlockStopSignals();
  // Never destroyed: the thread that waits for signals outlives main.
  auto* const interrupts = new closewrite::cli::Interrupts;
  std::thread(HandleSignals, interrupts).detach();
  const closewrite::SteadyClock clock;
  closewrite::cli::Console console;
  console.in = &std::cin;
  console.out = &std::cout;
  console.err = &std::cerr;
  console.in_terminal = isatty(STDIN_FILENO) == 1;
  // What stdio has read ahead, poll(2) would not know of.
  if (console.in_terminal) std::setvbuf(stdin, nullptr, _IONBF, 0);
  console.await_input = AwaitInput;
  console.take_screen = [] { return closewrite::cli::TakeTerminal(STDIN_FILENO, STDOUT_FILENO); };
  console.out_terminal = isatty(STDOUT_FILENO) == 1;
  console.err_terminal = isatty(STDERR_FILENO) == 1;
  console.out_width = TerminalWidth(STDOUT_FILENO);
  console.err_width = TerminalWidth(STDERR_FILENO);
  console.environment = Environment;
  console.clock = &clock;
  console.interrupts = interrupts;
  return closewrite::cli::RunCli(argc, argv, console);
}
