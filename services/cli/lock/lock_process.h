// The real program against a fake coordinator, and processes that are watched: for tests.
#ifndef SERVICES_CLI_LOCK_LOCK_PROCESS_H_
#define SERVICES_CLI_LOCK_LOCK_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/cli/fake_coordinator.h"

namespace closewrite::cli {

// A process that can't be taken for another one that got its number.
class WatchedProcess {
 public:
  explicit WatchedProcess(pid_t pid);
  ~WatchedProcess();
  WatchedProcess(WatchedProcess&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  WatchedProcess& operator=(WatchedProcess&&) = delete;

  bool IsDead() const { return EndsWithin(0); }
  // False when it lives on for a long time.
  bool AwaitDeath() const;

 private:
  bool EndsWithin(int time_max_ms) const;

  int file_;
};

// One run of `closewrite` in a process group of its own.
class LockProcess {
 public:
  explicit LockProcess(std::string coordinator);
  ~LockProcess();

  // Before Start.
  void SetEnvironment(const std::string& name, const std::string& value);
  // Its stdin is a pipe that stays open, unless it is told to be /dev/null.
  void Start(const std::vector<std::string>& arguments, bool null_input = false);
  // The same for any program.
  void StartProgram(std::vector<std::string> argv, bool null_input = false);

  pid_t pid() const { return pid_; }
  // Below it.
  pid_t keeper() const;
  void Signal(int number) const;
  void SignalGroup(int number) const;
  void Write(const std::string& text) const;
  void CloseInput();

  std::string out() const;
  std::string err() const;
  // False when it does not come.
  bool AwaitOut(const std::string& part) const;
  bool AwaitErr(const std::string& part) const;
  // Of a line `NAME 123` on stdout, which is waited for.
  WatchedProcess AwaitProcess(const std::string& name) const;
  // The exit code, -1 when it does not end, or is ended by a signal.
  int Wait();

 private:
  std::string folder_;
  std::vector<std::string> environment_;
  pid_t pid_ = 0;  // 0: it has been waited for
  int input_ = -1;
};

// A fleet with locks, and a program that wants them.
class LockProcessTest : public testing::Test {
 protected:
  LockProcessTest() { coordinator_.Start(); }

  // Held by somebody else, until FakeLocks::Free.
  void OccupyLock(const std::string& name);

  FakeCoordinator coordinator_;
  FakeLocks& locks_ = coordinator_.locks();
};

// The path of the program.
std::string ClosewriteProgram();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_PROCESS_H_
