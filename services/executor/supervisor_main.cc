// One supervisor stands between an executor and one command. It is small, has no threads and no
// gRPC, so that it does its work whatever becomes of the executor:
//
//   * it copies what the command writes to the log, for which nobody needs to be there
//   * the executor dies (its end of the control socket closes)  -> the command goes on, until the
//     lease's end or the next executor, which connects; or, when it is not to outlive its executor,
//     everything is killed at once
//   * the executor is frozen, dead, or can't renew: the lease's end on CLOCK_BOOTTIME passes ->
//     everything is killed
//   * the command ends -> whatever it left in the background is killed before the end is reported,
//     even what has moved to another process group or session: as a child subreaper (prctl(2)) the
//     supervisor inherits all orphans of the command. The end is written down, for nobody may be
//     there to hear it.
//
// Should the supervisor itself be killed, the kernel kills the command (PR_SET_PDEATHSIG), and the
// executor, or when that is dead the guardian or the next executor, the rest of its group.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

#include "services/executor/log_writer.h"
#include "services/executor/sandbox.h"
#include "services/executor/start_process.h"
#include "services/executor/supervisor_protocol.h"

namespace closewrite::executor {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kSecondNs = 1000000000;
// Exit code; the executor only writes it to its log.
constexpr int kUsage = 2;
// Of each pipe when all is dead: somebody else may have got hold of its other end.
constexpr int kLastReadsMax = 64;
constexpr int kReadsInARowMax = 16;

int64_t BootNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

int64_t Plus(int64_t at, int64_t by) { return by > kNever - at ? kNever : at + by; }

int64_t WallUs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (now.tv_sec * kSecondNs + now.tv_nsec) / 1000;
}

// When a process that can't be reaped by others began; 0 when it can't be told. See proc(5).
int64_t StartTicks(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return 0;
  char text[1024];
  const size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = '\0';
  const char* rest = strrchr(text, ')');  // the name may hold anything
  long long ticks = 0;
  if (rest == nullptr || sscanf(rest + 1,
                                " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                                "%*d %*d %*d %lld",
                                &ticks) != 1) {
    return 0;
  }
  return ticks;
}

// What the command line says.
struct Task {
  int64_t lease_ns = 0;
  int64_t timeout_ns = 0;
  int64_t kill_after_ns = 0;
  bool outlive = true;
  const char* log = nullptr;
  Condition condition;
};

class Supervisor {
 public:
  explicit Supervisor(const Task& task) : task_(task), log_(kSupervisorLogsFd, task.log) {}

  int Run(char** arguments) {
    if (!Prepare()) return kSupervisorBroken;
    if (BootNs() >= state_.lease_ns) {
      state_.report.cause = SupervisorReport::kLease;
      state_.report.error = ECANCELED;
      ReportEnd(SupervisorReport::kNotStarted);
      return 0;
    }
    if (!Fork(arguments)) return kSupervisorBroken;
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
  struct Output {
    LogStream stream;
    int pipe = -1;
  };

  bool Prepare() {
    prctl(PR_SET_NAME, "cw-supervisor");
    close_range(kSupervisorGroupsFd + task_.condition.groups, ~0U, 0);
    if (!task_.condition.unified) close(kSupervisorUnifiedFd);
    close_range(kSupervisorControlFd, ~0U, CLOSE_RANGE_CLOEXEC);
    // Who stops the executor politely means the executor; it decides what becomes of commands.
    for (const int number :
         {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ}) {
      signal(number, SIG_IGN);
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &child, nullptr);
    signal_fd_ = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    timer_fd_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    const bool known = pread(kSupervisorStateFd, &state_, sizeof state_, 0) == sizeof state_;
    state_.supervisor = getpid();
    state_.lease_ns = task_.lease_ns;
    Save();
    return known && signal_fd_ >= 0 && timer_fd_ >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
  }

  bool Fork(char** arguments) {
    int start[2];
    int pipes[2][2];
    if (pipe2(start, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (pipe2(pipes[i], O_CLOEXEC) != 0) return false;
      outputs_[i].pipe = pipes[i][0];
      fcntl(outputs_[i].pipe, F_SETFL, O_NONBLOCK);
    }
    command_ = StartProcess(arguments, task_.condition, start[1], {pipes[0][1], pipes[1][1]});
    const int error = errno;
    for (const int theirs : {start[1], pipes[0][1], pipes[1][1]}) close(theirs);
    started_fd_ = start[0];
    if (command_ < 0) {
      state_.report.error = error;
      ReportEnd(SupervisorReport::kNotStarted);
      return false;
    }
    setpgid(command_, command_);  // here too: whoever comes first
    state_.command = command_;
    state_.command_ticks = StartTicks(command_);
    Save();
    if (task_.timeout_ns != 0) timeout_at_ns_ = Plus(BootNs(), task_.timeout_ns);
    return true;
  }

  void Wait() {
    pollfd files[] = {{control_fd_, POLLIN, 0},     {kSupervisorListenFd, POLLIN, 0},
                      {signal_fd_, POLLIN, 0},      {timer_fd_, POLLIN, 0},
                      {started_fd_, POLLIN, 0},     {outputs_[0].pipe, POLLIN, 0},
                      {outputs_[1].pipe, POLLIN, 0}};
    poll(files, sizeof files / sizeof *files, -1);
    signalfd_siginfo info;
    while (read(signal_fd_, &info, sizeof info) > 0) {
    }
    // One after the other as long as there is something, so that lines of the two are mixed less.
    for (int i = 0; i < 2; ++i) {
      for (int reads = 0; files[5 + i].revents != 0 && reads < kReadsInARowMax; ++reads) {
        if (!CopyOutput(&outputs_[i])) break;
      }
    }
    if (files[1].revents != 0) Accept();
  }

  // False when there is nothing to be read just now.
  bool CopyOutput(Output* output) {
    if (output->pipe < 0) return false;
    const ssize_t count = log_.Copy(output->pipe, output->stream, WallUs());
    if (count < 0) return false;
    if (count == 0) {
      close(output->pipe);
      output->pipe = -1;
      return false;
    }
    // An executor looks at the log whenever it has read what it was told, whatever that was: so it
    // needs not be told while it has not.
    int unread = 0;
    if (ioctl(control_fd_, SIOCOUTQ, &unread) != 0 || unread == 0) {
      Report(SupervisorReport::kLog);
    }
    return true;
  }

  // Another executor: the one before is dead, or there would be no lock for this one to hold.
  void Accept() {
    const int next = accept4(kSupervisorListenFd, nullptr, nullptr, SOCK_CLOEXEC);
    if (next < 0) return;
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (getsockopt(next, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
      close(next);
      return;
    }
    if (control_fd_ >= 0) close(control_fd_);
    control_fd_ = next;
    if (started_) Report(SupervisorReport::kStarted);
  }

  // The pipe closes by the exec itself, or brings the errno of its failure.
  void LookForStart() {
    int error = 0;
    const ssize_t count = read(started_fd_, &error, sizeof error);
    if (count < 0) return;
    close(started_fd_);
    started_fd_ = -1;
    started_ = count == 0;
    state_.report.pid = command_;
    state_.report.error = count > 0 ? error : 0;
    Save();
    if (started_) Report(SupervisorReport::kStarted);
  }

  void TakeOrders() {
    while (control_fd_ >= 0) {
      SupervisorOrder order;
      const ssize_t count = recv(control_fd_, &order, sizeof order, MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count != sizeof order) {
        close(control_fd_);
        control_fd_ = -1;
        if (!task_.outlive) End(SupervisorReport::kTold, SIGKILL);
      } else if (order.kind == SupervisorOrder::kRenew) {
        Renew(order.lease_ns);
      } else if (order.kind == SupervisorOrder::kTerminate) {
        End(SupervisorReport::kTold, SIGTERM);
      } else {
        End(SupervisorReport::kTold, SIGKILL);
      }
    }
  }

  void Renew(int64_t lease_ns) {
    if (lease_ns <= state_.lease_ns) return;
    state_.lease_ns = lease_ns;
    Save();
  }

  void KeepTime(int64_t now_ns) {
    if (killed_) return;
    if (now_ns >= state_.lease_ns) End(SupervisorReport::kLease, SIGKILL);
    if (now_ns >= timeout_at_ns_) End(SupervisorReport::kTimeout, SIGTERM);
    if (now_ns >= kill_at_ns_) Kill(SIGKILL);
  }

  // The first cause counts; a later one can only make the end harder.
  void End(SupervisorReport::Cause cause, int number) {
    if (!ending_) {
      ending_ = true;
      state_.report.cause = cause;
      Kill(number);
      kill_at_ns_ = Plus(BootNs(), task_.kill_after_ns);
    }
    if (number == SIGKILL) Kill(SIGKILL);
  }

  void Kill(int number) {
    kill(-command_, number);
    // Not twice: a second SIGTERM means "at once" to many programs.
    if (getpgid(command_) != command_) kill(command_, number);
    if (number == SIGKILL) {
      killed_ = true;
      KillChildren();
    }
  }

  void ArmTimer() {
    if (ending_) timeout_at_ns_ = kNever;
    int64_t next = state_.lease_ns;
    if (timeout_at_ns_ < next) next = timeout_at_ns_;
    if (kill_at_ns_ < next) next = kill_at_ns_;
    itimerspec timer = {};
    if (!killed_ && next != kNever) timer.it_value = {next / kSecondNs, next % kSecondNs};
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

  // Kills what it left behind, reads what all have written, and reports when nothing is left.
  void Finish() {
    if (started_fd_ >= 0) LookForStart();
    kill(-command_, SIGKILL);
    waitpid(command_, &state_.report.wait_status, 0);
    do {
      KillChildren();
    } while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR);
    for (Output& output : outputs_) {
      for (int reads = 0; reads < kLastReadsMax && CopyOutput(&output); ++reads) {
      }
    }
    rusage usage = {};
    getrusage(RUSAGE_CHILDREN, &usage);
    state_.report.cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kSecondNs +
                           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
    state_.report.max_rss_bytes = usage.ru_maxrss * 1024;
    ReportEnd(started_ ? SupervisorReport::kEnded : SupervisorReport::kNotStarted);
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

  void Save() {
    [[maybe_unused]] const ssize_t written = pwrite(kSupervisorStateFd, &state_, sizeof state_, 0);
  }

  void Report(SupervisorReport::Kind kind) {
    state_.report.kind = kind;
    if (control_fd_ < 0) return;
    send(control_fd_, &state_.report, sizeof state_.report, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  // First to the disk: an executor that does not hear it looks there.
  void ReportEnd(SupervisorReport::Kind kind) {
    state_.report.kind = kind;
    state_.log_bytes = log_.bytes();
    state_.ended_us = WallUs();
    state_.ended = 1;
    Save();
    Report(kind);
  }

  const Task task_;
  SupervisorState state_;
  LogWriter log_;
  Output outputs_[2] = {{LogStream::kStdout}, {LogStream::kStderr}};
  int control_fd_ = kSupervisorControlFd;  // -1: there is no executor
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  int started_fd_ = -1;
  pid_t command_ = 0;
  int64_t timeout_at_ns_ = kNever;
  int64_t kill_at_ns_ = kNever;
  bool started_ = false;
  bool ending_ = false;
  bool killed_ = false;
};

int TrySandbox(char** kept, int count) {
  const SandboxProblem problem = EnterSandbox(kept, count);
  if (problem.error == 0) return 0;
  printf("%s: %s", problem.step, strerror(problem.error));
  return kSupervisorBroken;
}

}  // namespace
}  // namespace closewrite::executor

int main(int argc, char** argv) {
  using namespace closewrite::executor;  // NOLINT: a main of one page
  if (argc > 1 && strcmp(argv[1], kTrySandbox) == 0) return TrySandbox(argv + 2, argc - 2);
  int64_t numbers[kSupervisorNumbers] = {};
  for (int i = 0; i < kSupervisorNumbers && i + 1 < argc; ++i) {
    numbers[i] = strtoll(argv[i + 1], nullptr, 10);
  }
  const int kept = static_cast<int>(numbers[10]);
  if (kept < 0 || kept > kSandboxKeptMax || argc < kSupervisorNumbers + 5 + kept) {
    fputs("closewrite-supervisor: started by closewrite-executor, not by hand\n", stderr);
    return kUsage;
  }
  char** const texts = argv + kSupervisorNumbers + 1;
  const bool by_path = strcmp(texts[2], "-") == 0;
  static Supervisor supervisor({.lease_ns = numbers[0],
                                .timeout_ns = numbers[1],
                                .kill_after_ns = numbers[2],
                                .outlive = numbers[5] != 0,
                                .log = texts[0],
                                .condition = {.unified = numbers[6] != 0,
                                              .must_be_in_unified = numbers[6] == 2,
                                              .groups = static_cast<int>(numbers[7]),
                                              .nice = static_cast<int>(numbers[3]),
                                              .nofile = static_cast<rlim_t>(numbers[4]),
                                              .credentials = texts[1],
                                              .no_new_privs = numbers[8] != 0,
                                              .sandbox = numbers[9] != 0,
                                              .kept = texts + 3,
                                              .kept_count = kept,
                                              .file = by_path ? nullptr : texts[2]}});
  return supervisor.Run(texts + 3 + kept);
}
