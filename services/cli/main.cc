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
#include "services/cli/error_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/lock/keeper.h"
#include "services/cli/terminal_screen.h"
#include "services/version/commit.h"

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

// Signals by which people and services end programs, or tell them something. The command of `lock
// run` is to hear of all of them, and to be gone before the program is.
sigset_t SignalsToHandle(bool has_command) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // nohup has it ignored.
  struct sigaction hang_up = {};
  if (sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) {
    sigaddset(&signals, SIGHUP);
  }
  if (has_command) {
    for (const int signal : {SIGQUIT, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  }
  return signals;
}

// Ends as a shell expects of a program that a signal has ended.
void HandleSignals(sigset_t signals, closewrite::cli::Interrupts* interrupts) {
  for (int count = 1;; ++count) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    const bool ends = signal != SIGINT || count > kInterruptsMax;
    if (ends && !interrupts->of_all_kinds()) {
      closewrite::cli::GiveTerminalBack();
      std::_Exit(128 + signal);
    }
    interrupts->Notify(signal);
  }
}

}  // namespace

int main(int argc, char** argv) {
  // First of all: it must have no threads, and signals as they were.
  const auto keeper = closewrite::cli::Keeper::ForCommandLine(argc, argv);
  if (!keeper.ok()) {
    std::cerr << closewrite::cli::ErrorText(keeper.status());
    return closewrite::cli::ExitCode(keeper.status());
  }
  const sigset_t signals = SignalsToHandle(*keeper != nullptr);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Never destroyed: the thread that waits for signals outlives main.
  auto* const interrupts = new closewrite::cli::Interrupts;
  std::thread(HandleSignals, signals, interrupts).detach();
  const closewrite::SteadyClock clock;
  closewrite::cli::Console console;
  console.in = &std::cin;
  console.out = &std::cout;
  console.err = &std::cerr;
  console.in_file = STDIN_FILENO;
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
  console.commit = closewrite::Commit();
  console.clock = &clock;
  console.interrupts = interrupts;
  console.keeper = keeper->get();
  return closewrite::cli::RunCli(argc, argv, console);
}
