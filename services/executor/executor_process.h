// The program itself as a child of the test, and what there is to be seen of it.
#ifndef SERVICES_EXECUTOR_EXECUTOR_PROCESS_H_
#define SERVICES_EXECUTOR_EXECUTOR_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "services/executor/fake_coordinator.h"

namespace closewrite::executor {

// "" as well when a process ends while what /proc says of it is read.
std::string ReadFile(const std::string& file);

// Dead, or a zombie that somebody else has to reap.
bool IsDead(pid_t pid);

// Foreign processes tell nobody that they die: the only way is to look.
bool Eventually(const std::function<bool()>& condition);

// One state directory, and on it one executor at a time.
class ExecutorProcess : public testing::Test {
 protected:
  using Key = FakeCoordinator::Key;

  ExecutorProcess();
  ~ExecutorProcess() override;

  void Configure(const std::string& coordinator, const std::string& more = "");

  void Start();
  // SIGKILL.
  void Kill();
  // The exit code; -1 for a signal.
  int WaitForExit();

  // The executor's child of this name that was started last; 0 when there is none.
  pid_t ChildNamed(const std::string& name) const;
  // Once it guards.
  pid_t Guardian() const;
  // Established TCP connections of a process, with how many bytes it has not read yet.
  static std::map<std::string, int64_t> Connections(pid_t pid);
  // Until it knows its session.
  void AwaitSession() const;

  std::string Errors() const { return root_ + "/errors"; }

  // Job 7, token 1.
  static v1::Assignment Job(const std::string& script);
  // The number that the command has printed.
  static pid_t CommandOf(FakeCoordinator& coordinator);
  static void AwaitResult(FakeCoordinator& coordinator);

  std::string root_;
  pid_t executor_ = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_EXECUTOR_PROCESS_H_
