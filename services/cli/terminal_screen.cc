#include "services/cli/terminal_screen.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/base/const_init.h"
#include "absl/synchronization/mutex.h"

namespace closewrite::cli {
namespace {

// ECMA-48, and DEC's private modes: alternate screen (xterm's 1049), cursor.
constexpr std::string_view kTake = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view kGiveBack = "\x1b[?25h\x1b[?1049l";

struct Taken {
  int in;
  int out;
  termios before;
  bool raw;  // `before` is to be restored
};

ABSL_CONST_INIT absl::Mutex mutex(absl::kConstInit);
std::optional<Taken> taken ABSL_GUARDED_BY(mutex);

// There is nobody to tell when a terminal can't be written.
void Write(int fd, std::string_view text) {
  if (write(fd, text.data(), text.size()) < 0) return;
}

class TerminalScreen : public Screen {
 public:
  TerminalScreen(int in, int out) : out_(out) {
    absl::MutexLock lock(&mutex);
    Taken now = {in, out, {}, false};
    if (tcgetattr(in, &now.before) == 0) {
      termios keys = now.before;
      keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      keys.c_cc[VMIN] = 1;
      keys.c_cc[VTIME] = 0;
      keys.c_cc[VSUSP] = _POSIX_VDISABLE;  // Ctrl-Z would leave the shell on this screen
      now.raw = tcsetattr(in, TCSANOW, &keys) == 0;
    }
    Write(out, kTake);
    taken = now;
  }

  ~TerminalScreen() override { GiveTerminalBack(); }

  ScreenSize size() const override {
    winsize size = {};
    if (ioctl(out_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
  }

 private:
  const int out_;
};

}  // namespace

std::unique_ptr<Screen> TakeTerminal(int in, int out) {
  return std::make_unique<TerminalScreen>(in, out);
}

void GiveTerminalBack() {
  absl::MutexLock lock(&mutex);
  if (!taken.has_value()) return;
  Write(taken->out, kGiveBack);
  // Keys that were pressed meanwhile are not meant for the shell.
  if (taken->raw) tcsetattr(taken->in, TCSAFLUSH, &taken->before);
  taken.reset();
}

}  // namespace closewrite::cli
