// One supervisor stands between an executor and one command. It is small, has no threads and no
// gRPC, so that it does its work whatever becomes of the executor:
//
//   * the executor dies (its end of the control socket closes)  -> everything is killed at once
//   * the executor is frozen, or can't renew: the lease's end on CLOCK_BOOTTIME passes -> the same
//   * the command ends -> whatever it left in the background is killed before the end is reported,
//     even what has moved to another process group or session: as a child subreaper (prctl(2)) the
//     supervisor inherits all orphans of the command.
//
// Should the supervisor itself be killed, the kernel kills the command (PR_SET_PDEATHSIG), and the
// executor, or when that is dead the guardian, the rest of its group.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kSecondNs = 1000000000;
// Exit codes of the supervisor itself; the executor only writes them to its log.
constexpr int kUsage = 2;
constexpr int kBroken = 125;

int64_t BootNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

int64_t Plus(int64_t at, int64_t by) { return by > kNever - at ? kNever : at + by; }

void Tell(LifelineRecord::Kind kind, pid_t group) {
  const LifelineRecord record = {.kind = kind, .pid = group};
  send(kSupervisorLifelineFd, &record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// What a command is apart from its program.
struct Condition {
  int nice = 0;
  rlim_t nofile = 0;                  // 0: as it is
  const char* credentials = nullptr;  // see supervisor_protocol.h
};

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
int BecomeReady(const Condition& condition) {
  if (condition.nofile != 0) {
    const rlimit limit = {condition.nofile, condition.nofile};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  }
  if (condition.nice != 0) {
    errno = 0;
    if (nice(condition.nice) == -1 && errno != 0) return errno;
  }
  return BecomeUser(condition.credentials);
}

// In the new process: becomes the command, or writes errno to `failure` and exits.
[[noreturn]] void BecomeCommand(char** arguments, const Condition& condition, pid_t supervisor,
                                int failure) {
  setpgid(0, 0);
  const int unready = BecomeReady(condition);
  // Last: it is lost with a change of the user.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != supervisor) _exit(kBroken);  // it died before the line above
  Tell(LifelineRecord::kGroupBegun, getpid());
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (unready == 0) execvp(arguments[0], arguments);
  const int error = unready == 0 ? errno : unready;
  [[maybe_unused]] const ssize_t written = write(failure, &error, sizeof error);
  _exit(kBroken);
}

class Supervisor {
 public:
  Supervisor(int64_t lease_ns, int64_t timeout_ns, int64_t kill_after_ns, Condition condition)
      : lease_ns_(lease_ns),
        timeout_ns_(timeout_ns),
        kill_after_ns_(kill_after_ns),
        condition_(condition) {}

  int Run(char** arguments) {
    if (!Prepare()) return kBroken;
    if (BootNs() >= lease_ns_) {
      report_.cause = SupervisorReport::kLease;
      report_.error = ECANCELED;
      Report(SupervisorReport::kNotStarted);
      return 0;
    }
    if (!Fork(arguments)) return kBroken;
    while (!CommandHasEnded()) {
      ArmTimer();
      Wait();
      if (started_fd_ >= 0) LookForStart();
      TakeOrders();
      KeepTime(BootNs());
    }
    Finish();
    return 0;
  }

 private:
  bool Prepare() {
    prctl(PR_SET_NAME, "cw-supervisor");
    close_range(kSupervisorLifelineFd + 1, ~0U, 0);
    fcntl(kSupervisorLockFd, F_SETFD, FD_CLOEXEC);
    fcntl(kSupervisorLifelineFd, F_SETFD, FD_CLOEXEC);
    // Who stops the executor politely means the executor; it decides what becomes of commands.
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2}) {
      signal(number, SIG_IGN);
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &child, nullptr);
    signal_fd_ = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    timer_fd_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return signal_fd_ >= 0 && timer_fd_ >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
  }

  bool Fork(char** arguments) {
    int start[2];
    if (pipe2(start, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    const pid_t supervisor = getpid();
    command_ = fork();
    if (command_ == 0) BecomeCommand(arguments, condition_, supervisor, start[1]);
    close(start[1]);
    started_fd_ = start[0];
    if (command_ < 0) {
      report_.error = errno;
      Report(SupervisorReport::kNotStarted);
      return false;
    }
    setpgid(command_, command_);  // here too: whoever comes first
    if (timeout_ns_ != 0) timeout_at_ns_ = Plus(BootNs(), timeout_ns_);
    return true;
  }

  void Wait() {
    pollfd files[] = {{control_open_ ? kSupervisorControlFd : -1, POLLIN, 0},
                      {signal_fd_, POLLIN, 0},
                      {timer_fd_, POLLIN, 0},
                      {started_fd_, POLLIN, 0}};
    poll(files, sizeof files / sizeof *files, -1);
    signalfd_siginfo info;
    while (read(signal_fd_, &info, sizeof info) > 0) {
    }
  }

  // The pipe closes by the exec itself, or brings the errno of its failure.
  void LookForStart() {
    int error = 0;
    const ssize_t count = read(started_fd_, &error, sizeof error);
    if (count < 0) return;
    close(started_fd_);
    started_fd_ = -1;
    report_.pid = command_;
    report_.error = count > 0 ? error : 0;
    if (count == 0) Report(SupervisorReport::kStarted);
  }

  void TakeOrders() {
    while (control_open_) {
      SupervisorOrder order;
      const ssize_t count = recv(kSupervisorControlFd, &order, sizeof order, MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count != sizeof order) {
        control_open_ = false;
        End(SupervisorReport::kTold, SIGKILL);
      } else if (order.kind == SupervisorOrder::kRenew) {
        if (order.lease_ns > lease_ns_) lease_ns_ = order.lease_ns;
      } else if (order.kind == SupervisorOrder::kTerminate) {
        End(SupervisorReport::kTold, SIGTERM);
      } else {
        End(SupervisorReport::kTold, SIGKILL);
      }
    }
  }

  void KeepTime(int64_t now_ns) {
    if (now_ns >= lease_ns_) End(SupervisorReport::kLease, SIGKILL);
    if (now_ns >= timeout_at_ns_) End(SupervisorReport::kTimeout, SIGTERM);
    if (now_ns >= kill_at_ns_) Kill(SIGKILL);
  }

  // The first cause counts; a later one can only make the end harder.
  void End(SupervisorReport::Cause cause, int number) {
    if (!ending_) {
      ending_ = true;
      report_.cause = cause;
      Kill(number);
      kill_at_ns_ = Plus(BootNs(), kill_after_ns_);
    }
    if (number == SIGKILL) Kill(SIGKILL);
  }

  void Kill(int number) {
    kill(-command_, number);
    kill(command_, number);  // it may have left its group
    if (number == SIGKILL) {
      kill_at_ns_ = timeout_at_ns_ = lease_ns_ = kNever;
      KillChildren();
    }
  }

  void ArmTimer() {
    int64_t next = lease_ns_;
    if (!ending_ && timeout_at_ns_ < next) next = timeout_at_ns_;
    if (ending_) timeout_at_ns_ = kNever;
    if (kill_at_ns_ < next) next = kill_at_ns_;
    itimerspec timer = {};
    if (next != kNever) timer.it_value = {next / kSecondNs, next % kSecondNs};
    timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &timer, nullptr);
  }

  // Leaves the command as a zombie, so that its number can't be given to another process while its
  // group is still to be killed. Reaps orphans.
  bool CommandHasEnded() {
    for (;;) {
      siginfo_t info = {};
      if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return true;
      if (info.si_pid == 0) return false;
      if (info.si_pid == command_) return true;
      waitpid(info.si_pid, nullptr, 0);
      // waitid may show the same one first each time, so the command is asked for by name, too.
      info = {};
      if (waitid(P_PID, command_, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        return true;
      }
    }
  }

  // Kills what it left behind and reports when nothing is left.
  void Finish() {
    if (started_fd_ >= 0) LookForStart();
    kill(-command_, SIGKILL);
    waitpid(command_, &report_.wait_status, 0);
    do {
      KillChildren();
    } while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR);
    Tell(LifelineRecord::kGroupEnded, command_);
    rusage usage = {};
    getrusage(RUSAGE_CHILDREN, &usage);
    report_.cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kSecondNs +
                     (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
    report_.max_rss_bytes = usage.ru_maxrss * 1024;
    Report(report_.error != 0 ? SupervisorReport::kNotStarted : SupervisorReport::kEnded);
  }

  // Children of the dead become ours, and are listed here (proc(5), /proc/pid/task/tid/children).
  void KillChildren() {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE* children = fopen(path, "re");
    if (children == nullptr) return;
    int pid = 0;
    while (fscanf(children, "%d", &pid) == 1) kill(pid, SIGKILL);
    fclose(children);
  }

  void Report(SupervisorReport::Kind kind) {
    report_.kind = kind;
    send(kSupervisorControlFd, &report_, sizeof report_, MSG_NOSIGNAL);
  }

  int64_t lease_ns_;
  const int64_t timeout_ns_;
  const int64_t kill_after_ns_;
  const Condition condition_;
  int64_t timeout_at_ns_ = kNever;
  int64_t kill_at_ns_ = kNever;
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  int started_fd_ = -1;
  pid_t command_ = 0;
  bool control_open_ = true;
  bool ending_ = false;
  SupervisorReport report_ = {};
};

}  // namespace
}  // namespace closewrite::executor

int main(int argc, char** argv) {
  using closewrite::executor::kSupervisorNumbers;
  int64_t numbers[kSupervisorNumbers];
  if (argc < kSupervisorNumbers + 3) {
    fputs("closewrite-supervisor: started by closewrite-executor, not by hand\n", stderr);
    return closewrite::executor::kUsage;
  }
  for (int i = 0; i < kSupervisorNumbers; ++i) numbers[i] = strtoll(argv[i + 1], nullptr, 10);
  closewrite::executor::Supervisor supervisor(numbers[0], numbers[1], numbers[2],
                                              {.nice = static_cast<int>(numbers[3]),
                                               .nofile = static_cast<rlim_t>(numbers[4]),
                                               .credentials = argv[kSupervisorNumbers + 1]});
  return supervisor.Run(argv + kSupervisorNumbers + 2);
}
