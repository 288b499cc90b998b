#include "services/cli/lock/lock_run.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "services/cli/interrupts.h"
#include "services/cli/lock/keeper.h"
#include "services/cli/lock/lock_wait.h"
#include "services/cli/table.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// As shells have it.
constexpr int kExitCannotRun = 126;
constexpr int kExitNotFound = 127;
constexpr int kExitSignal = 128;

struct RunOptions {
  LockOptions lock;
  std::vector<std::string> command;
};

class LockRun : public LockUser {
 public:
  LockRun(Invocation& invocation, Keeper* keeper) : invocation_(invocation), keeper_(keeper) {}

  std::string program() const override { return absl::StrJoin(keeper_->command(), " "); }

  void OnRenewed(const Lease& lease) override { keeper_->Renew(lease); }

  int Use(LockSession& session, const v1::LockClaim& claim, Alarm& alarm) override {
    keeper_->Start(session.lease(), session.lock(), claim.token());
    for (;;) {
      if (const auto end = keeper_->Look(); end.has_value()) return ExitCode(*end, session);
      PassSignalsOn();
      const absl::Duration now = SinceBoot();
      if (!session.lost().empty()) EndForLoss(session, now);
      const Lease lease = session.lease();
      if (now >= lease.terminate_at()) SayThatItEnds(session);
      const absl::Duration end = std::min(lease.end(), told_end_) + lease.late_max();
      if (now >= end) return KillAll();
      const bool said = said_ || now >= lease.terminate_at();
      alarm.Wait(said ? end : std::min(end, lease.terminate_at()), keeper_->file());
    }
  }

 private:
  void PassSignalsOn() {
    while (const int signal = invocation_.console().interrupts->Acknowledge()) {
      keeper_->PassOn(signal);
    }
  }

  void EndForLoss(const LockSession& session, absl::Duration now) {
    if (told_end_ != absl::InfiniteDuration()) return;
    told_end_ = now + kEndGraceMax;
    keeper_->End(told_end_);
    SayThatItEnds(session);
  }

  void SayThatItEnds(const LockSession& session) {
    if (said_) return;
    said_ = true;
    invocation_.Note(StrCat("lock ", session.lock(), " is lost: ", session.WhyLost(),
                            "; the command is told to end"));
  }

  // The keeper has not.
  int KillAll() {
    keeper_->KillAll();
    invocation_.Note("what keeps the command in time did not answer: all was killed");
    return kExitOurs;
  }

  int ExitCode(const KeeperEnd& end, const LockSession& session) {
    if (end.cause == KeeperEnd::kKilled) {
      invocation_.Note("what keeps the command in time was killed, and the command with it");
      return kExitOurs;
    }
    if (end.cause != KeeperEnd::kByItself) {
      SayThatItEnds(session);
      return kExitOurs;
    }
    if (!end.started && end.error != 0) {
      invocation_.Note(
          StrCat(Printable(keeper_->command().front()), " can't be run: ", strerror(end.error)));
      return end.error == ENOENT ? kExitNotFound : kExitCannotRun;
    }
    if (WIFSIGNALED(end.wait_status)) return kExitSignal + WTERMSIG(end.wait_status);
    return WEXITSTATUS(end.wait_status);
  }

  Invocation& invocation_;
  Keeper* const keeper_;
  absl::Duration told_end_ = absl::InfiniteDuration();  // by then, if the lock was lost
  bool said_ = false;
};

absl::StatusOr<int> Run(Invocation& invocation, const RunOptions& options) {
  Keeper* const keeper = invocation.console().keeper;
  if (options.command.empty()) {
    return UsageError("lock run: say what to run: closewrite lock run NAME -- COMMAND...");
  }
  if (keeper == nullptr || keeper->command() != options.command) {
    return UsageError(
        "lock run: put `--` before the command: closewrite lock run NAME -- COMMAND...");
  }
  LockRun run(invocation, keeper);
  return WithLock(invocation, options.lock, &run);
}

}  // namespace

Command LockRunCommand() {
  Command command{
      "lock run", "NAME [--wait TIME | --no-wait] [--capacity N] [--priority N] -- COMMAND...",
      "Run a command while holding a lock that the whole fleet knows. Its exit code is the "
      "command's own; 75 when the lock is busy (--no-wait), 124 when --wait is over, 125 when the "
      "lock was lost or refused. The command, with all that it has started, is dead before anybody "
      "else can have the lock, whatever happens to the network or to this program. It finds the "
      "lock's name in CLOSEWRITE_LOCK and the fencing token in CLOSEWRITE_TOKEN; within a job, "
      "whose token that is, in CLOSEWRITE_LOCK_TOKEN alone."};
  command.examples =
      "closewrite lock run picky-api -- Rscript api_calls.R\n"
      "closewrite lock run picky-api --wait 10m -- python3 load.py --all\n"
      "closewrite lock run nightly --no-wait -- make -C /srv/report   # 75: another one runs\n"
      "closewrite lock run db-slots --capacity 4 -- ./export.sh       # four at once\n";
  command.examples_first = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<RunOptions>();
    DeclareLockOptions(app, &options->lock);
    app.add_option("COMMAND", options->command, "After --: what is run, with its arguments");
    return [options](Invocation& invocation) { return Run(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
