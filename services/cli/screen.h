// The terminal as a whole, for what is drawn again and again.
#ifndef SERVICES_CLI_SCREEN_H_
#define SERVICES_CLI_SCREEN_H_

namespace closewrite::cli {

struct ScreenSize {
  int columns = 80;
  int lines = 24;
};

// While it lives another screen without a cursor is shown, and keys come at once and unseen.
class Screen {
 public:
  virtual ~Screen() = default;
  // As it is now: windows change.
  virtual ScreenSize size() const = 0;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_SCREEN_H_
