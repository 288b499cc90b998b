#include "services/cli/terminal_screen.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

class TerminalScreenTest : public testing::Test {
 protected:
  TerminalScreenTest() : user_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    grantpt(user_);
    unlockpt(user_);
    terminal_ = open(ptsname(user_), O_RDWR | O_NOCTTY);
  }
  ~TerminalScreenTest() override {
    close(terminal_);
    close(user_);
  }

  // What the user sees since the last call.
  std::string Seen() const {
    char bytes[4096];
    const ssize_t size = read(user_, bytes, sizeof(bytes));
    return std::string(bytes, size < 0 ? 0 : static_cast<size_t>(size));
  }
  bool LineByLine() const {
    termios now = {};
    EXPECT_EQ(tcgetattr(terminal_, &now), 0);
    return (now.c_lflag & ICANON) != 0 && (now.c_lflag & ECHO) != 0;
  }

  const int user_;
  int terminal_ = -1;
};

TEST_F(TerminalScreenTest, TakesTheTerminalAndGivesItBack) {
  EXPECT_TRUE(LineByLine());
  auto screen = TakeTerminal(terminal_, terminal_);
  EXPECT_EQ(Seen(), "\x1b[?1049h\x1b[?25l");
  EXPECT_FALSE(LineByLine());
  ASSERT_EQ(write(user_, "q", 1), 1);
  char key = 0;
  EXPECT_EQ(read(terminal_, &key, 1), 1);
  EXPECT_EQ(key, 'q');
  winsize size = {};
  size.ws_col = 132;
  size.ws_row = 43;
  ASSERT_EQ(ioctl(terminal_, TIOCSWINSZ, &size), 0);
  EXPECT_EQ(screen->size().columns, 132);
  EXPECT_EQ(screen->size().lines, 43);
  screen.reset();
  EXPECT_EQ(Seen(), "\x1b[?25h\x1b[?1049l");
  EXPECT_TRUE(LineByLine());
}

TEST_F(TerminalScreenTest, GivesItBackOnce) {
  auto screen = TakeTerminal(terminal_, terminal_);
  Seen();
  GiveTerminalBack();
  EXPECT_TRUE(LineByLine());
  EXPECT_NE(Seen(), "");
  screen.reset();
  EXPECT_EQ(Seen(), "");
}

}  // namespace
}  // namespace closewrite::cli
