// One command under its supervisor.
#ifndef SERVICES_EXECUTOR_COMMAND_H_
#define SERVICES_EXECUTOR_COMMAND_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/account.h"
#include "services/executor/supervisor_protocol.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

struct CommandOptions {
  int supervisor_image = -1;           // see OpenSupervisorImage; not owned
  int lock = -1;                       // the state directory's lock, or -1; not owned
  int lifeline = -1;                   // to the guardian, at least kImageFdMin, or -1; not owned
  std::vector<std::string> arguments;  // program first; found in PATH of `environment`
  std::vector<std::string> environment;
  std::string directory;          // working directory
  absl::Duration lease_deadline;  // on the clock of SinceBoot()
  absl::Duration timeout;         // zero: never
  absl::Duration kill_after;      // between SIGTERM and SIGKILL
  int nice = 0;                   // added to the executor's
  int64_t nofile = 0;             // RLIMIT_NOFILE; 0: as the executor has it
  std::optional<Account> run_as;  // nullopt: as the executor
};

// What became of a command.
struct CommandEnd {
  bool started = false;
  int error = 0;        // errno when it was not started
  bool lost = false;    // its supervisor was killed; all else is unknown
  int wait_status = 0;  // as wait(2) has it
  SupervisorReport::Cause cause = SupervisorReport::kByItself;
  absl::Duration cpu;
  int64_t max_rss_bytes = 0;
};

// A command in its own process group, with /dev/null as its input and one pipe for all its output.
// It dies with the executor, at its lease's end, and takes along all that it has started: see
// supervisor_main.cc. Thread-safe, but Wait is called once, by one thread.
class Command {
 public:
  struct Listener {
    std::function<void(pid_t)> on_start;
    std::function<void(std::string_view)> on_output;
  };

  // UNAVAILABLE or RESOURCE_EXHAUSTED when no process can be made; INVALID_ARGUMENT when arguments
  // and environment are too long for the kernel. A program that is not there shows in CommandEnd.
  static absl::StatusOr<std::unique_ptr<Command>> Start(const CommandOptions& options);

  // Kills it if it still runs, and waits.
  ~Command();

  // Moves the lease's end; never back.
  void Renew(absl::Duration lease_deadline) const;
  // SIGTERM, then after `kill_after` SIGKILL.
  void Terminate() const;
  void Kill() const;

  // Returns when the command and all that it left behind are dead and its output is read.
  CommandEnd Wait(const Listener& listener);

 private:
  Command() = default;
  void Send(const SupervisorOrder& order) const;
  bool ReadOutput(const Listener& listener);
  bool TakeReport(const Listener& listener, CommandEnd* end);
  void Reap();

  Fd control_;
  Fd output_;
  pid_t supervisor_ = 0;
  pid_t command_ = 0;
  std::string buffer_;
};

// For people: "exit code 3", "ended by signal 9 (Killed)".
std::string DescribeWaitStatus(int wait_status);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_COMMAND_H_
