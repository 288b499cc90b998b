#include "services/cli/lock/lock_hold.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "services/cli/interrupts.h"
#include "services/cli/lock/lock_wait.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// Whoever has started this, as it was started.
std::string ParentProgram() {
  std::ifstream file(StrCat("/proc/", getppid(), "/cmdline"), std::ios::binary);
  std::string text;
  std::getline(file, text, '\n');
  std::replace(text.begin(), text.end(), '\0', ' ');
  absl::StripAsciiWhitespace(&text);
  return StrCat("lock hold", text.empty() ? "" : " of ", text);
}

// Whether the other end is closed. What it says does not matter.
bool HasEnded(int file) {
  pollfd in = {file, POLLIN, 0};
  if (poll(&in, 1, 0) <= 0) return false;
  char ignored[4096];
  const ssize_t count = read(file, ignored, sizeof ignored);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

// What is to be read until it ends; -1: nothing. Who reads a terminal in the background is stopped.
int InputOf(const Console& console) {
  const bool background =
      console.in_terminal && console.in_file >= 0 && tcgetpgrp(console.in_file) != getpgrp();
  return background ? -1 : console.in_file;
}

class LockHold : public LockUser {
 public:
  LockHold(Invocation& invocation, int input)
      : invocation_(invocation), input_(input), program_(ParentProgram()) {}

  std::string program() const override { return program_; }

  int Use(LockSession& session, const v1::LockClaim& claim, Alarm& alarm) override {
    invocation_.out() << "held " << session.lock() << " token " << claim.token() << std::endl;
    if (!invocation_.out()) return kExitOurs;
    for (;;) {
      const bool ends =
          invocation_.console().interrupts->Pending() || (input_ >= 0 && HasEnded(input_));
      if (ends) {
        // Whoever relied on it must hear that it was lost a moment ago.
        session.Confirm();
        return session.lost().empty() ? kExitOk : Lost(session);
      }
      // Not at its end but before it, so that whoever relies on the lock has time to stop.
      const Lease lease = session.lease();
      const bool late = SinceBoot() >= lease.terminate_at();
      if (late || !session.lost().empty()) return Lost(session);
      alarm.Wait(lease.terminate_at(), input_);
    }
  }

 private:
  int Lost(const LockSession& session) {
    invocation_.Note(StrCat("lock ", session.lock(), " is lost: ", session.WhyLost()));
    return kExitOurs;
  }

  Invocation& invocation_;
  const int input_;
  const std::string program_;
};

absl::StatusOr<int> Hold(Invocation& invocation, const LockOptions& options) {
  const int input = InputOf(invocation.console());
  if (input >= 0 && HasEnded(input)) {
    return UsageError(
        "lock hold: stdin has ended already, and its end is what gives the lock back: start it "
        "with a pipe that stays open, as `coproc` in bash does");
  }
  LockHold hold(invocation, input);
  return WithLock(invocation, options, &hold);
}

}  // namespace

Command LockHoldCommand() {
  Command command{
      "lock hold", "NAME [--wait TIME | --no-wait] [--capacity N] [--priority N]",
      "Hold a lock for a script that can't be wrapped by `lock run`. Prints `held NAME token N` "
      "when it is held, and gives it back when stdin ends, or at SIGTERM or Ctrl-C (exit code 0). "
      "Exits with 75 when it is busy (--no-wait), 124 when --wait is over, 125 when it was lost or "
      "refused: the script must then stop, for nobody stops it."};
  command.examples =
      "coproc LOCK { closewrite lock hold picky-api --wait 10m; }   # bash\n"
      "lock_pid=$LOCK_PID lock_in=${LOCK[1]}\n"
      "read -r held <&\"${LOCK[0]}\" || { wait \"$lock_pid\"; exit; }\n"
      "...                                   # kill -0 \"$lock_pid\": it is still held\n"
      "exec {lock_in}>&-; wait \"$lock_pid\"   # gives it back\n";
  command.examples_first = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<LockOptions>();
    DeclareLockOptions(app, options.get());
    return [options](Invocation& invocation) { return Hold(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
