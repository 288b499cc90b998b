#include "services/cli/lock/lock_wait.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_replace.h"
#include "services/cli/error_text.h"
#include "services/cli/interrupts.h"
#include "services/cli/table.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// To give a lock back that will soon be free anyway, when somebody wants to be gone.
constexpr absl::Duration kHurriedReleaseMax = absl::Seconds(2);
constexpr absl::Duration kReleaseMax = absl::Seconds(10);
// How often a granted lock is looked at that could not be renewed yet.
constexpr absl::Duration kGrantPoll = absl::Milliseconds(200);

// Why it waits: a line for each reason, on a terminal all in the same place.
class WaitLine {
 public:
  explicit WaitLine(Invocation& invocation)
      : invocation_(invocation), in_place_(invocation.console().err_terminal) {}
  ~WaitLine() { Clear(); }

  void Show(const std::string& text) {
    if (text.empty() || text == shown_) return;
    shown_ = text;
    if (!in_place_) return invocation_.Note(text);
    drawn_ = true;
    const std::string line = StrCat("closewrite: ", Printable(text));
    // The cursor stays at the line's beginning, so that whatever else is said stands over it.
    invocation_.err() << "\r" << Shorten(line, invocation_.console().err_width - 1) << "\x1b[K\r"
                      << std::flush;
  }

  void Clear() {
    if (std::exchange(drawn_, false)) invocation_.err() << "\r\x1b[K" << std::flush;
  }

  // What was shown last stays, on a terminal too.
  void Keep() {
    Clear();
    if (in_place_) invocation_.Note(shown_);
  }

  const std::string& shown() const { return shown_; }

 private:
  Invocation& invocation_;
  const bool in_place_;
  std::string shown_;
  bool drawn_ = false;
};

class LockWait {
 public:
  LockWait(Invocation& invocation, const LockOptions& options, LockUser* user, absl::Time deadline)
      : invocation_(invocation),
        options_(options),
        user_(user),
        deadline_(deadline),
        session_({.coordinator = invocation.coordinator(),
                  .credentials = invocation.credentials(),
                  .lock = options.name,
                  .on_renewed =
                      [this](const Lease& lease) {
                        user_->OnRenewed(lease);
                        alarm_.Ring();
                      },
                  .on_lost = [this] { alarm_.Ring(); }}),
        line_(invocation) {}

  int Run() {
    const absl::Status status = Acquire();
    line_.Clear();
    if (status.ok()) return held() ? Use() : Busy();
    session_.Stop();
    if (absl::IsCancelled(status)) return Interrupted();
    // Whom nobody has answered, nobody will.
    if (session_.has_begun()) Release(kHurriedReleaseMax);
    if (absl::IsDeadlineExceeded(status)) return TimedOut();
    invocation_.err() << ErrorText(status) << std::flush;
    return kExitOurs;
  }

 private:
  bool held() const { return claim_.token() != 0; }

  // OK when it is held, with a lease that has begun, or when it is not free and was not to be
  // waited for.
  absl::Status Acquire() {
    for (;;) {
      claim_.Clear();
      absl::Status status = Follow();
      // Who was away for too long has lost the place in line, and asks for another one.
      if (absl::IsAborted(status) && session_.MayHaveEnded(SinceBoot())) {
        line_.Show(StrCat("the place in line for lock ", options_.name, " is lost: asking again"));
        session_.Restart();
        continue;
      }
      if (!status.ok()) return status;
      if (!held()) {
        if (options_.no_wait) return status;
        // The stream ended, though it should not have.
        alarm_.Wait(SinceBoot() + kGrantPoll);
        continue;
      }
      session_.Hold(claim_.token());
      status = AwaitLease();
      if (!absl::IsAborted(status)) return status;
      session_.Restart();
    }
  }

  absl::Status Follow() {
    v1::AcquireLockRequest request;
    request.set_session_id(session_.id());
    request.set_lock(options_.name);
    *request.mutable_program() = ThisProgram(invocation_, user_->program());
    request.set_priority(options_.priority);
    request.set_no_wait(options_.no_wait);
    request.set_capacity(options_.capacity);
    Client& client = invocation_.client();
    absl::Duration sent;
    absl::Status nonsense;
    const absl::Status status = client.Follow<v1::AcquireLockResponse>(
        deadline_,
        [&](grpc::ClientContext* context) {
          sent = SinceBoot();
          return client.locks().AcquireLock(context, request);
        },
        [&](const v1::AcquireLockResponse& response) {
          claim_ = response.claim();
          // Where nobody waits, only a grant leaves a session behind.
          if (held() || !options_.no_wait) nonsense = session_.Answered(sent, response);
          if (!held() && nonsense.ok()) line_.Show(response.message());
          return !held() && nonsense.ok();
        },
        absl::InfiniteDuration());
    return nonsense.ok() ? status : nonsense;
  }

  // A grant may have been on its way for long, while the machine slept: so it counts only with a
  // lease that leaves time for something. ABORTED when it is lost again.
  absl::Status AwaitLease() {
    Interrupts::Scope scope(invocation_.console().interrupts, [this] { alarm_.Ring(); });
    for (;;) {
      if (invocation_.console().interrupts->Pending()) return absl::CancelledError("interrupted");
      if (!session_.lost().empty()) return absl::AbortedError(session_.lost());
      const absl::Duration now = SinceBoot();
      if (now < session_.lease().terminate_at()) return absl::OkStatus();
      if (invocation_.now() >= deadline_) return absl::DeadlineExceededError("the time is up");
      alarm_.Wait(now + kGrantPoll);
    }
  }

  int Use() {
    int code = kExitOurs;
    {
      Interrupts::Scope scope(invocation_.console().interrupts, [this] { alarm_.Ring(); });
      code = user_->Use(session_, claim_, alarm_);
    }
    // What is left of them would break off the release.
    while (invocation_.console().interrupts->Acknowledge() != 0) {
    }
    const bool lost = !session_.lost().empty();
    session_.Stop();
    Release(lost ? kHurriedReleaseMax : kReleaseMax);
    return code;
  }

  int Busy() {
    if (line_.shown().empty()) line_.Show(StrCat("lock ", options_.name, " is not free"));
    line_.Keep();
    return kExitBusy;
  }

  int Interrupted() {
    const int signal = invocation_.console().interrupts->Acknowledge();
    Release(kHurriedReleaseMax);
    return 128 + signal;
  }

  int TimedOut() {
    invocation_.Note(StrCat("gave up waiting for lock ", options_.name,
                            line_.shown().empty() ? "" : ": ", line_.shown()));
    return kExitTimedOut;
  }

  // As far as that can be done within `time_max`: otherwise the session ends by itself.
  void Release(absl::Duration time_max) {
    v1::ReleaseLockRequest request;
    request.set_session_id(session_.id());
    request.set_lock(options_.name);
    v1::ReleaseLockResponse response;
    Client& client = invocation_.client();
    const absl::Status status =
        client.CallUntil(invocation_.now() + time_max, [&](grpc::ClientContext* context) {
          return client.locks().ReleaseLock(context, request, &response);
        });
    if (status.ok() || SinceBoot() >= session_.lease().expires_at()) return;
    invocation_.Note(StrCat("lock ", options_.name, " could not be given back (",
                            ToStd(status.message()), "): it is free by itself within ",
                            absl::FormatDuration(absl::Ceil(
                                session_.lease().expires_at() - SinceBoot(), absl::Seconds(1)))));
  }

  Invocation& invocation_;
  const LockOptions& options_;
  LockUser* const user_;
  const absl::Time deadline_;
  Alarm alarm_;
  LockSession session_;
  WaitLine line_;
  v1::LockClaim claim_;
};

}  // namespace

absl::StatusOr<int> WithLock(Invocation& invocation, const LockOptions& options, LockUser* user) {
  if (absl::Status s = CheckLockOptions(options); !s.ok()) return s;
  const auto deadline = WaitDeadline(invocation, options.wait);
  if (!deadline.ok()) return deadline.status();
  Interrupts::OfAllKinds all_signals(invocation.console().interrupts);
  return LockWait(invocation, options, user, *deadline).Run();
}

}  // namespace closewrite::cli
