#include "services/executor/start_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "services/executor/sandbox.h"
#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

// Moves this process.
bool Join(int group) {
  const int file = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool joined = write(file, "0", 1) == 1;
  close(file);
  return joined;
}

// 0, or errno.
int BecomeUser(const char* credentials) {
  if (strcmp(credentials, "-") == 0) return 0;
  static gid_t groups[kSupervisorGroupsMax];
  char* rest = nullptr;
  const auto uid = static_cast<uid_t>(strtoul(credentials, &rest, 10));
  if (*rest != ':') return EINVAL;
  const auto gid = static_cast<gid_t>(strtoul(rest + 1, &rest, 10));
  size_t count = 0;
  while ((*rest == ':' || *rest == ',') && count < kSupervisorGroupsMax) {
    groups[count++] = static_cast<gid_t>(strtoul(rest + 1, &rest, 10));
  }
  if (*rest != '\0') return EINVAL;
  // Who is that user already needs no privilege to be it, and may have none to say so.
  if (geteuid() == uid && uid != 0) return 0;
  const bool done = setgroups(count, groups) == 0 && setgid(gid) == 0 && setuid(uid) == 0;
  return done ? 0 : errno;
}

// 0, or errno.
int BecomeReady(const Condition& condition, bool in_unified) {
  if (condition.must_be_in_unified && !in_unified) {
    if (!Join(kSupervisorUnifiedFd)) return kJoinError;
  }
  for (int i = 0; i < condition.groups; ++i) {
    if (!Join(kSupervisorGroupsFd + i)) return kJoinError;
  }
  if (condition.sandbox) {
    const SandboxProblem problem = EnterSandbox(condition.kept, condition.kept_count);
    if (problem.error != 0) return kSandboxErrors + problem.error;
  }
  if (condition.nofile != 0) {
    const rlimit limit = {condition.nofile, condition.nofile};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  }
  if (condition.nice != 0) {
    errno = 0;
    if (nice(condition.nice) == -1 && errno != 0) return errno;
  }
  const int error = BecomeUser(condition.credentials);
  if (error != 0) return error;
  return !condition.no_new_privs || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

// fork(2), into a group of cgroup v2: to move there afterwards would take milliseconds.
pid_t ForkInto(int group) {
  clone_args arguments = {};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(group);
  return static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
}

// In the new process: becomes the command, or writes errno to `failure` and exits.
[[noreturn]] void BecomeCommand(char** arguments, const Condition& condition, bool in_unified,
                                pid_t supervisor, int failure, const int (&outputs)[2]) {
  setpgid(0, 0);
  dup2(outputs[0], STDOUT_FILENO);
  dup2(outputs[1], STDERR_FILENO);
  const int unready = BecomeReady(condition, in_unified);
  // Last: it is lost with a change of the user.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != supervisor) _exit(kSupervisorBroken);  // it died before the line above
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (unready == 0) execvp(condition.file != nullptr ? condition.file : arguments[0], arguments);
  const int error = unready == 0 ? errno : unready;
  [[maybe_unused]] const ssize_t written = write(failure, &error, sizeof error);
  _exit(kSupervisorBroken);
}

}  // namespace

pid_t StartProcess(char** arguments, const Condition& condition, int failure,
                   const int (&outputs)[2]) {
  const pid_t supervisor = getpid();
  pid_t command = condition.unified ? ForkInto(kSupervisorUnifiedFd) : -1;
  const bool in_unified = command >= 0;
  if (!in_unified) command = fork();
  if (command == 0) {
    BecomeCommand(arguments, condition, in_unified, supervisor, failure, outputs);
  }
  return command;
}

}  // namespace closewrite::executor
