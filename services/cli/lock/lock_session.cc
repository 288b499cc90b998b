#include "services/cli/lock/lock_session.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "closewrite/v1/lock.grpc.pb.h"
#include "grpc/support/time.h"
#include "services/cli/client.h"
#include "services/cli/time_text.h"
#include "services/clock/clock.h"
#include "services/config/uuid.h"
#include "services/log/str_cat.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kBackoffMin = absl::Milliseconds(100);
constexpr absl::Duration kBackoffMax = absl::Seconds(1);
constexpr int kBackoffDoublingsMax = 4;
// However short the lease is, an answer takes its time.
constexpr absl::Duration kTryMin = absl::Milliseconds(200);

absl::Duration Backoff(int failures) {
  absl::BitGen random;
  const int doublings = std::min(failures, kBackoffDoublingsMax);
  return std::min(kBackoffMax, kBackoffMin * (1 << doublings)) * absl::Uniform(random, 0.5, 1.0);
}

// A wall clock that is set while the program runs would bend a deadline that is a time of day.
gpr_timespec DeadlineIn(absl::Duration duration) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_millis(absl::ToInt64Milliseconds(duration), GPR_TIMESPAN));
}

}  // namespace

LockSession::LockSession(Options options)
    : options_(std::move(options)),
      id_(NewUuid()),
      coordinators_(options_.coordinator, options_.credentials) {}

absl::Status LockSession::Answered(absl::Duration sent, const v1::AcquireLockResponse& response) {
  const absl::Duration ttl = ToDuration(response.session_ttl());
  if (ttl <= absl::ZeroDuration()) {
    return absl::InternalError("the coordinator did not say how long a session lives");
  }
  absl::MutexLock lock(&mutex_);
  // Only the first answer begins the session; what else is told does not make it longer.
  if (stopping_ || alive_) return absl::OkStatus();
  alive_ = true;
  lost_.clear();
  lease_ = Lease();
  lease_.Answered(sent, ttl);
  // The call may have left long before the coordinator saw it.
  next_ = SinceBoot();
  alarm_.Ring();
  if (!thread_.joinable()) thread_ = std::thread([this] { RenewAgainAndAgain(); });
  return absl::OkStatus();
}

bool LockSession::MayHaveEnded(absl::Duration now) const {
  absl::MutexLock lock(&mutex_);
  return !alive_ || now >= lease_.expires_at();
}

void LockSession::Restart() {
  absl::MutexLock lock(&mutex_);
  alive_ = false;
  token_ = 0;
  lost_.clear();
}

void LockSession::Hold(int64_t token) {
  absl::MutexLock lock(&mutex_);
  token_ = token;
  held_since_ = SinceBoot();
  if (!alive_) lost_ = "its session has ended";
}

Lease LockSession::lease() const {
  absl::MutexLock lock(&mutex_);
  return lease_;
}

std::string LockSession::lost() const {
  absl::MutexLock lock(&mutex_);
  return lost_;
}

std::string LockSession::WhyLost() const {
  absl::MutexLock lock(&mutex_);
  if (!lost_.empty()) return lost_;
  return trouble_.empty() ? "it could not be renewed in time"
                          : StrCat("it could not be renewed (", trouble_, ")");
}

void LockSession::Confirm() {
  absl::MutexLock lock(&mutex_);
  wanted_ = next_ = SinceBoot();
  alarm_.Ring();
  const auto known = [this] {
    mutex_.AssertHeld();
    return stopping_ || !alive_ || tried_ >= wanted_;
  };
  // Each try ends by itself.
  mutex_.Await(absl::Condition(&known));
}

void LockSession::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (call_ != nullptr) call_->TryCancel();
    alarm_.Ring();
  }
  if (thread_.joinable()) thread_.join();
}

void LockSession::RenewAgainAndAgain() {
  for (;;) {
    absl::Duration until;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      until = alive_ ? next_ : absl::InfiniteDuration();
    }
    if (SinceBoot() < until) {
      alarm_.Wait(until);
    } else {
      Renew();
    }
  }
}

void LockSession::Renew() {
  grpc::ClientContext context;
  v1::RenewLocksRequest request;
  v1::RenewLocksResponse response;
  request.set_session_id(id_);
  const absl::Duration sent = SinceBoot();
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    context.set_deadline(DeadlineIn(std::max(kTryMin, lease_.try_max())));
    call_ = &context;
  }
  const auto stub = v1::LockService::NewStub(coordinators_.Get());
  const absl::Status status = FromGrpc(stub->RenewLocks(&context, request, &response));
  bool lost = false;
  Lease lease;
  {
    absl::MutexLock lock(&mutex_);
    call_ = nullptr;
    if (stopping_) return;
    lost = See(status, response, sent);
    tried_ = sent;
    if (sent < wanted_) next_ = SinceBoot();
    lease = lease_;
  }
  if (lost) {
    options_.on_lost();
  } else if (status.ok()) {
    options_.on_renewed(lease);
  }
}

bool LockSession::See(const absl::Status& status, const v1::RenewLocksResponse& response,
                      absl::Duration sent) {
  if (!alive_) return false;  // it has been restarted meanwhile
  if (absl::IsNotFound(status)) {
    alive_ = false;
    lost_ = "its session has ended";
    return token_ != 0;
  }
  const absl::Duration ttl = ToDuration(response.session_ttl());
  if (!status.ok() || ttl <= absl::ZeroDuration()) {
    trouble_ =
        status.ok() ? "the answer makes no sense" : ConnectionProblem(ToStd(status.message()));
    next_ = SinceBoot() + Backoff(failures_++);
    return false;
  }
  trouble_.clear();
  failures_ = 0;
  // A request that left before the lock was granted says nothing about that.
  if (token_ != 0 && sent >= held_since_ && !Has(response)) {
    alive_ = false;
    lost_ = "it was taken away";
    return true;
  }
  lease_.Answered(sent, ttl);
  next_ = lease_.renew_at();
  return false;
}

bool LockSession::Has(const v1::RenewLocksResponse& response) const {
  const auto claim = response.claims().find(options_.lock);
  return claim != response.claims().end() && claim->second.token() == token_;
}

}  // namespace closewrite::cli
