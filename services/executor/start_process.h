// How a supervisor starts its command. Like the supervisor it links no library.
#ifndef SERVICES_EXECUTOR_START_PROCESS_H_
#define SERVICES_EXECUTOR_START_PROCESS_H_

#include <sys/resource.h>
#include <sys/types.h>

namespace closewrite::executor {

// Exit code of a supervisor, or of a process that could not become the command; the executor only
// writes it to its log.
inline constexpr int kSupervisorBroken = 125;

// What a command is apart from its program; see supervisor_protocol.h.
struct Condition {
  bool unified = false;  // it has a group of cgroup v2
  bool must_be_in_unified = false;
  int groups = 0;  // of cgroup v1
  int nice = 0;
  rlim_t nofile = 0;  // 0: as it is
  const char* credentials = nullptr;
  bool no_new_privs = true;
  bool sandbox = false;
  char** kept = nullptr;  // see sandbox.h
  int kept_count = 0;
  const char* file = nullptr;  // what is executed; nullptr: found in PATH
};

// Starts a process that becomes `arguments`, in a process group and in control groups of its own,
// with `outputs` as its stdout and stderr. What keeps it from that, an errno, is written to
// `failure`, which closes when it has become the command. -1 with errno when there is no process.
pid_t StartProcess(char** arguments, const Condition& condition, int failure,
                   const int (&outputs)[2]);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_START_PROCESS_H_
