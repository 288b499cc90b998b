#include "services/executor/guardian.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "services/clock/clock.h"
#include "services/config/command_line.h"
#include "services/executor/control_groups.h"
#include "services/executor/hello.h"
#include "services/executor/last_words.h"
#include "services/executor/process_group.h"
#include "services/executor/supervisor_protocol.h"
#include "services/log/log.h"
#include "services/transport/tls.h"

namespace closewrite::executor {
namespace {

// The thread that keeps the connection looks this often whether it is to end.
constexpr absl::Duration kKeepPause = absl::Milliseconds(100);
// Between two tries. An executor that starts meanwhile looks for the lock more often.
constexpr int kTryAgainMs = 100;
constexpr int kGuardianNice = -10;

// False when it can't be read.
bool ReadConfig(v1::ExecutorConfig* config) {
  return config->ParseFromFileDescriptor(kGuardianConfigFd) && !config->state().empty();
}

// Returns early when the process ends, if there is one.
void AwaitEndOf(pid_t pid, int timeout_ms) {
  const Fd process(pid > 0 ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1);
  pollfd file = {process.get(), POLLIN, 0};
  if (pid > 0 && !process.ok()) return;  // it has just ended
  poll(&file, 1, timeout_ms);
}

// A command that has succeeded, and whose lease an executor that comes back may still renew.
bool IsToBeConcluded(const SupervisorState& state) {
  const SupervisorReport& report = state.report;
  return report.kind == SupervisorReport::kEnded && report.cause == SupervisorReport::kByItself &&
         report.wait_status == 0 && state.boot == BootId() &&
         SinceBoot() < absl::Nanoseconds(state.lease_ns);
}

// Connects, and stays connected, so that there is no need to when it counts. gRPC reads from a
// connection only while somebody waits for something on its channel: with nobody there, the peer's
// hello and its answers to pings are left lying, and the connection is taken for dead.
class ConnectionKeeper {
 public:
  explicit ConnectionKeeper(CoordinatorChannel* channel)
      : thread_([this, channel] {
          while (!stop_.HasBeenNotified()) {
            const std::shared_ptr<grpc::Channel> kept = channel->Get();
            kept->WaitForStateChange(kept->GetState(/*try_to_connect=*/true),
                                     absl::ToChronoTime(SteadyClock().Now() + kKeepPause));
          }
        }) {}
  ~ConnectionKeeper() {
    stop_.Notify();
    thread_.join();
  }

 private:
  absl::Notification stop_;
  std::thread thread_;  // last: it uses the above
};

}  // namespace

Guardian::End Guardian::Run() {
  const ConnectionKeeper keeper(options_.channel);
  if (!AwaitDeath()) return End::kDismissed;
  for (;;) {
    awaited_ = 0;
    if (const std::optional<End> end = Try(); end.has_value()) return *end;
    if (SinceBoot() >= give_up_at_) return End::kNotHeard;
    if (to_be_killed_.empty()) AwaitEndOf(awaited_, kTryAgainMs);
    for (const auto& [name, state] : std::exchange(to_be_killed_, {})) {
      LogWarn("the supervisor of a command was killed; its process group is killed",
              {{"group", state.command}});
      const ControlGroups groups = ControlGroups::Find(options_.config.state());
      if (!KillGroup(state) || !groups.Kill(name)) return End::kStillAlive;
      groups.Remove(name);
      killed_.insert(state.command);
    }
  }
}

bool Guardian::AwaitDeath() {
  for (;;) {
    LifelineRecord record;
    const ssize_t count = recv(options_.lifeline, &record, sizeof record, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count != sizeof record) return true;
    if (record.kind == LifelineRecord::kDismissed) return false;
  }
}

std::optional<Guardian::End> Guardian::Try() {
  // Nothing is made in a state directory that is gone.
  if (access((options_.config.state() + "/session").c_str(), R_OK) != 0) return End::kNoSession;
  const absl::StatusOr<Journal> journal = Journal::Open(options_.config.state(), kReleaseMax);
  if (absl::IsFailedPrecondition(journal.status())) return End::kTakenOver;
  if (!journal.ok()) {
    LogError("the state directory can't be read", {{"error", journal.status().message()}});
    return End::kNotHeard;
  }
  if (journal->Session().empty()) return End::kNoSession;
  if (MustWait(journal->Left(), *journal)) return std::nullopt;
  return Speak(*journal);
}

bool Guardian::MustWait(const std::vector<JournalEntry>& left, const Journal& journal) {
  bool wait = false;
  for (const JournalEntry& entry : left) {
    if (entry.result.has_value() || !entry.state.has_value()) continue;
    const SupervisorState& state = *entry.state;
    if (state.ended != 0) {
      wait = wait || (options_.config.commands_outlive() && IsToBeConcluded(state));
    } else if (journal.FilesOf(entry.assignment.lease()).Lives()) {
      awaited_ = state.supervisor;
      wait = true;
    } else if (killed_.count(state.command) == 0) {
      to_be_killed_.emplace_back(journal.FilesOf(entry.assignment.lease()).name(), state);
      wait = true;
    }
  }
  return wait;
}

std::optional<Guardian::End> Guardian::Speak(const Journal& journal) {
  if (give_up_at_ == absl::InfiniteDuration()) give_up_at_ = SinceBoot() + kSpeakMax;
  const absl::Status ended =
      EndSessionOfTheDead(options_.channel->Get(), HelloOf(options_.config), journal);
  if (absl::IsUnavailable(ended)) return std::nullopt;
  if (ended.ok()) return End::kEnded;
  LogError("the session was not ended", {{"error", ended.ToString()}});
  return End::kNotHeard;
}

int RunGuardian() {
  prctl(PR_SET_NAME, "cw-guardian");
  // When it is needed, whatever killed the executor may keep the machine busy. Not allowed: as is.
  setpriority(PRIO_PROCESS, 0, kGuardianNice);
  v1::ExecutorConfig config;
  if (!ReadConfig(&config)) {
    fprintf(stderr, "%s: started by closewrite-executor, not by hand\n", kGuardianName);
    return kExitUsage;
  }
  close(kGuardianConfigFd);
  InitLog("guardian");
  // The executor has checked them. Should they have gone bad since, its session will expire.
  const auto tls = Tls::OfConfig(config, Role::kExecutor, config.host());
  if (!tls.ok()) LogWarn("certificates are of no use by now", {{"error", tls.status().message()}});
  CoordinatorChannel channel(config.coordinator(),
                             tls.ok() ? ChannelCredentialsOf(tls->get()) : nullptr);
  Guardian guardian({.lifeline = kGuardianLifelineFd, .config = config, .channel = &channel});
  switch (guardian.Run()) {
    case Guardian::End::kDismissed:
    case Guardian::End::kNoSession:
      return kExitOk;
    case Guardian::End::kEnded:
      LogWarn("the executor was killed; its session is ended", {{"executor", config.name()}});
      return kExitOk;
    case Guardian::End::kTakenOver:
      LogInfo("the executor was killed; another one has taken over", {{"executor", config.name()}});
      return kExitOk;
    case Guardian::End::kStillAlive:
    case Guardian::End::kNotHeard:
      break;
  }
  LogWarn("the executor was killed; its session is left to expire", {{"executor", config.name()}});
  return kExitOurs;
}

}  // namespace closewrite::executor
