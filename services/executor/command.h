// One command under its supervisor.
#ifndef SERVICES_EXECUTOR_COMMAND_H_
#define SERVICES_EXECUTOR_COMMAND_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/executor/account.h"
#include "services/executor/control_groups.h"
#include "services/executor/supervisor_files.h"
#include "services/executor/supervisor_protocol.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

struct CommandOptions {
  int supervisor_image = -1;           // see OpenSupervisorImage; not owned
  SupervisorFiles files;               // of its supervisor
  ControlGroups groups;                // where its own are made
  int logs = -1;                       // open folder that its log, of the same name, is made in
  bool outlive = true;                 // goes on, until its lease ends, when this process dies
  std::vector<std::string> arguments;  // program first; found in PATH of `environment`
  std::vector<std::string> environment;
  std::string directory;          // working directory
  absl::Duration lease_deadline;  // on the clock of SinceBoot()
  absl::Duration timeout;         // zero: never
  absl::Duration kill_after;      // between SIGTERM and SIGKILL
  int nice = 0;                   // added to the executor's
  int64_t nofile = 0;             // RLIMIT_NOFILE; 0: as the executor has it
  GroupLimits limits;
  std::optional<Account> run_as;  // nullopt: as the executor
  std::string file;               // the program itself, if it is not to be found in PATH
  bool no_new_privs = true;       // it can't gain rights
  bool sandbox = false;           // it is shut in, see sandbox.h
  std::vector<std::string> kept;  // there
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
  int64_t log_bytes = 0;           // that it has written, kept or not
  int64_t ended_us = 0;            // since 1970
  bool ran_out_of_memory = false;  // and did not succeed
};

// What a supervisor has written down of the end of its command; of none that is lost.
CommandEnd EndOf(const SupervisorState& state);

// How long a supervisor that lives is tried to be reached, before it is given up and killed.
inline constexpr absl::Duration kAdoptMax = absl::Seconds(5);

// A command in its own process group, with /dev/null as its input, whose supervisor (see
// supervisor_main.cc) copies what it writes to its log. It dies at its lease's end, and takes along
// all that it has started. It goes on when this process dies, and the next one adopts it; or dies
// with it, as `outlive` says. Thread-safe, but Wait is called once, by one thread.
class Command {
 public:
  struct Listener {
    std::function<void(pid_t)> on_start;
    std::function<void()> on_log;  // the log may have grown
  };

  // UNAVAILABLE or RESOURCE_EXHAUSTED when no process can be made; INVALID_ARGUMENT when arguments
  // and environment are too long for the kernel; FAILED_PRECONDITION when limits can't be kept. A
  // program that is not there shows in CommandEnd.
  static absl::StatusOr<std::unique_ptr<Command>> Start(const CommandOptions& options);

  // One that an earlier process has started. It may have ended: Wait says how.
  static std::unique_ptr<Command> Adopt(SupervisorFiles files, ControlGroups groups = {});

  // Kills it if it still runs, and waits.
  ~Command();

  // Moves the lease's end; never back.
  void Renew(absl::Duration lease_deadline) const;
  // SIGTERM, then after `kill_after` SIGKILL.
  void Terminate() const;
  void Kill() const;

  // Returns when the command and all that it left behind are dead and its log is written.
  CommandEnd Wait(const Listener& listener);

 private:
  Command(SupervisorFiles files, ControlGroups groups)
      : files_(std::move(files)), groups_(std::move(groups)) {}
  void Send(const SupervisorOrder& order) const;
  bool TakeReports(const Listener& listener);
  CommandEnd Conclude();

  const SupervisorFiles files_;
  const ControlGroups groups_;
  Fd control_;            // none: there is nobody to be reached
  pid_t supervisor_ = 0;  // when it is a child of ours
  bool waited_ = false;
};

// For people: "exit code 3", "ended by signal 9 (Killed)".
std::string DescribeWaitStatus(int wait_status);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_COMMAND_H_
