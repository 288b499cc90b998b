// One keeper stands between the command line and the command that runs under a lock. It is small,
// has no threads and no gRPC, so that it does its work whatever becomes of the command line:
//
//   * the command line dies (its end of the socket closes)     -> everything is killed at once
//   * it is frozen, or can't renew: the lease is about to end  -> SIGTERM; at its end SIGKILL
//   * the lock was taken away                                  -> SIGTERM, soon SIGKILL
//   * the command ends -> whatever it left in the background is killed before its end is reported,
//     even what has moved to another process group or session: as a child subreaper (prctl(2)) the
//     keeper inherits all orphans of the command.
//
// Should the keeper itself be killed, the kernel kills the command (PR_SET_PDEATHSIG), and the
// command line, which inherits the rest, kills that.
#include "services/cli/lock/keeper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "services/cli/lock/keeper_protocol.h"
#include "services/cli/lock/process_tree.h"
#include "services/clock/clock.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kLongAgo = -1'000'000'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;
// Who signals a terminal's foreground group, or all processes of a service, is done with the last
// of them so soon after the first.
constexpr int64_t kTogetherNs = kSecondNs / 10;
// It may take the command line so long to say that it was signalled.
constexpr int64_t kHadItNs = 2 * kSecondNs;
// Exit code of a process that could not become the command; nobody sees it.
constexpr int kNotTheCommand = 125;

int64_t BootNs() { return absl::ToInt64Nanoseconds(SinceBoot()); }

class KeeperProcess {
 public:
  KeeperProcess(int socket, char** arguments) : socket_(socket), arguments_(arguments) {
    std::fill(std::begin(got_ns_), std::end(got_ns_), kLongAgo);
    std::fill(std::begin(pass_on_ns_), std::end(pass_on_ns_), kNever);
  }

  void Run() {
    if (!Prepare()) return;
    while (!over_) {
      ArmTimer();
      Wait();
      TakeSignals();
      Reap();
      LookForStart();
      if (!over_) TakeOrders();
      if (!over_) KeepTime(BootNs());
    }
  }

 private:
  // All signals are blocked: those of the terminal are meant for the command, and none is to stop
  // or to end the keeper.
  bool Prepare() {
    prctl(PR_SET_NAME, "cw-keeper");
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask_before_);
    // Where it was ignored, nobody would hear of the command's end.
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &child_action_before_);
    signal_fd_ = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    timer_fd_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return signal_fd_ >= 0 && timer_fd_ >= 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
  }

  void ArmTimer() {
    int64_t next = command_ == 0 ? kNever : std::min(terminate_ns_, kill_ns_);
    for (const int64_t at : pass_on_ns_) next = std::min(next, at);
    itimerspec timer = {};
    if (next != kNever) timer.it_value = {next / kSecondNs, next % kSecondNs};
    timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &timer, nullptr);
  }

  void Wait() {
    pollfd files[] = {{socket_, POLLIN, 0},
                      {signal_fd_, POLLIN, 0},
                      {timer_fd_, POLLIN, 0},
                      {started_fd_, POLLIN, 0}};
    poll(files, std::size(files), -1);
  }

  // What the keeper got itself, the command, which is of the same group, has got as well.
  void TakeSignals() {
    signalfd_siginfo info;
    while (read(signal_fd_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo >= NSIG) continue;
      got_ns_[info.ssi_signo] = BootNs();
      pass_on_ns_[info.ssi_signo] = kNever;
    }
  }

  void Reap() {
    int status = 0;
    for (pid_t dead = 0; (dead = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
      if (dead == command_) return End(status);
    }
  }

  void TakeOrders() {
    KeeperOrder order;
    for (;;) {
      const ssize_t count = recv(socket_, &order, sizeof order, MSG_DONTWAIT);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count != sizeof order) return KillAll();
      if (order.kind == KeeperOrder::kRenew || order.kind == KeeperOrder::kStart) Renew(order);
      if (order.kind == KeeperOrder::kStart && command_ == 0) Start(order);
      if (order.kind == KeeperOrder::kPassOn) PassOn(order.signal);
      if (order.kind == KeeperOrder::kEnd) {
        kill_ns_ = std::min(kill_ns_, order.kill_ns);
        Terminate(KeeperReport::kTold);
      }
      if (over_) return;
    }
  }

  // A lease never becomes shorter; and who was told to end has no more time than it was given.
  void Renew(const KeeperOrder& order) {
    if (terminating_ || order.kill_ns <= kill_ns_) return;
    terminate_ns_ = order.terminate_ns;
    kill_ns_ = order.kill_ns;
  }

  void Start(const KeeperOrder& order) {
    int started[2];
    if (BootNs() >= kill_ns_) {
      report_.cause = KeeperReport::kLease;
      return ReportNotStarted(ECANCELED);
    }
    if (pipe2(started, O_CLOEXEC | O_NONBLOCK) != 0) return ReportNotStarted(errno);
    started_fd_ = started[0];
    const pid_t keeper = getpid();
    TakeSignals();
    begun_ns_ = BootNs();
    command_ = fork();
    if (command_ == 0) BecomeCommand(order, keeper, started[1]);
    const int error = errno;
    close(started[1]);
    if (command_ < 0) return ReportNotStarted(error);
  }

  [[noreturn]] void BecomeCommand(const KeeperOrder& order, pid_t keeper, int failure) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) _exit(kNotTheCommand);  // it died before the line above
    char token[32];
    snprintf(token, sizeof token, "%lld", static_cast<long long>(order.token));
    setenv("CLOSEWRITE_LOCK", order.lock, 1);
    setenv("CLOSEWRITE_LOCK_TOKEN", token, 1);
    // Within a job it is the attempt's, by which its command reports loads and increments.
    if (getenv("CLOSEWRITE_JOB") == nullptr) setenv("CLOSEWRITE_TOKEN", token, 1);
    sigaction(SIGCHLD, &child_action_before_, nullptr);
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    execvp(arguments_[0], arguments_);
    const int error = errno;
    [[maybe_unused]] const ssize_t written = write(failure, &error, sizeof error);
    _exit(kNotTheCommand);
  }

  // The pipe closes by the exec itself, or brings the errno of its failure.
  void LookForStart() {
    if (started_fd_ < 0) return;
    int error = 0;
    const ssize_t count = read(started_fd_, &error, sizeof error);
    if (count < 0) return;
    close(started_fd_);
    started_fd_ = -1;
    report_.started = count == 0;
    if (count > 0) report_.error = error;
  }

  void PassOn(int number) {
    if (number <= 0 || number >= NSIG) return;
    const int64_t now = BootNs();
    const bool had_it = got_ns_[number] >= begun_ns_ && now - got_ns_[number] <= kHadItNs;
    if (!had_it) pass_on_ns_[number] = now + kTogetherNs;
  }

  void KeepTime(int64_t now) {
    if (command_ == 0) return;
    for (int number = 1; number < NSIG; ++number) {
      if (now < pass_on_ns_[number]) continue;
      pass_on_ns_[number] = kNever;
      SignalDescendants(number);
    }
    if (now >= kill_ns_) {
      if (!terminating_) report_.cause = KeeperReport::kLease;
      return KillAll();
    }
    if (now >= terminate_ns_) Terminate(KeeperReport::kLease);
  }

  void Terminate(KeeperReport::Cause cause) {
    if (terminating_ || command_ == 0) return;
    terminating_ = true;
    terminate_ns_ = kNever;
    report_.cause = cause;
    SignalDescendants(SIGTERM);
    SignalDescendants(SIGCONT);  // who is stopped could not end by it
  }

  // The command has ended: so does the rest.
  void End(int status) {
    over_ = true;
    LookForStart();
    report_.wait_status = status;
    EndDescendants([](pid_t, int) {});
    Report();
  }

  void KillAll() {
    over_ = true;
    EndDescendants([this](pid_t dead, int status) {
      if (dead == command_) report_.wait_status = status;
    });
    LookForStart();
    Report();
  }

  void ReportNotStarted(int error) {
    over_ = true;
    report_.error = error;
    Report();
  }

  void Report() { send(socket_, &report_, sizeof report_, MSG_NOSIGNAL | MSG_DONTWAIT); }

  const int socket_;
  char** const arguments_;
  sigset_t mask_before_ = {};
  struct sigaction child_action_before_ = {};
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  int started_fd_ = -1;
  pid_t command_ = 0;
  int64_t begun_ns_ = kNever;
  int64_t terminate_ns_ = kNever;
  int64_t kill_ns_ = 0;
  int64_t got_ns_[NSIG];      // when each signal came last
  int64_t pass_on_ns_[NSIG];  // when each signal is to be passed on
  bool terminating_ = false;
  bool over_ = false;
  KeeperReport report_;
};

}  // namespace

void RunKeeper(int socket, char** command) { KeeperProcess(socket, command).Run(); }

}  // namespace closewrite::cli
