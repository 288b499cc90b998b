// The session that a claim on a lock belongs to, kept alive.
#ifndef SERVICES_CLI_LOCK_LOCK_SESSION_H_
#define SERVICES_CLI_LOCK_LOCK_SESSION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/lock.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/lock/alarm.h"
#include "services/cli/lock/lease.h"
#include "services/transport/channel.h"

namespace closewrite::cli {

// Renews in a thread of its own from the first answer on, also while the claim waits. Thread-safe.
class LockSession {
 public:
  struct Options {
    std::string coordinator;                                // host:port, several with commas
    std::shared_ptr<grpc::ChannelCredentials> credentials;  // null: no TLS
    std::string lock;
    // Called by the thread, which holds no mutex meanwhile.
    std::function<void(const Lease&)> on_renewed;
    std::function<void()> on_lost;
  };

  explicit LockSession(Options options);
  ~LockSession() { Stop(); }
  LockSession(const LockSession&) = delete;
  LockSession& operator=(const LockSession&) = delete;

  const std::string& id() const { return id_; }
  const std::string& lock() const { return options_.lock; }

  // AcquireLock has answered a call that left at `sent`. INTERNAL when the answer makes no sense.
  absl::Status Answered(absl::Duration sent, const v1::AcquireLockResponse& response);
  // The coordinator may have ended the session, with the claim.
  bool MayHaveEnded(absl::Duration now) const;
  // What was told of it counts no more: the next answer begins it anew.
  void Restart();

  // The lock was granted: from now on a renewal whose answer does not have this claim is its loss.
  void Hold(int64_t token);
  Lease lease() const;
  // It was answered at least once.
  bool has_begun() const { return lease().expires_at() > absl::ZeroDuration(); }
  // How the lock was lost, after Hold; "" as long as it was not.
  std::string lost() const;
  // For people; also of a lease that is running out.
  std::string WhyLost() const;

  // Renews at once, so that lost() knows what has happened since the last renewal. Returns when
  // that was answered, or failed.
  void Confirm();

  // No more renewals; may be called again.
  void Stop();

 private:
  void RenewAgainAndAgain();
  void Renew();
  // Takes note of what was answered to a request; the mutex is held. True when the lock is lost.
  bool See(const absl::Status& status, const v1::RenewLocksResponse& response, absl::Duration sent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Has(const v1::RenewLocksResponse& response) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::string id_;
  CoordinatorChannel coordinators_;
  Alarm alarm_;
  mutable absl::Mutex mutex_;
  Lease lease_ ABSL_GUARDED_BY(mutex_);
  bool alive_ ABSL_GUARDED_BY(mutex_) = false;  // it has been answered, and has not ended
  absl::Duration next_ ABSL_GUARDED_BY(mutex_);
  absl::Duration wanted_ ABSL_GUARDED_BY(mutex_);  // a renewal that leaves then or later
  absl::Duration tried_ ABSL_GUARDED_BY(mutex_);   // when the last one left that has come back
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t token_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: it waits
  absl::Duration held_since_ ABSL_GUARDED_BY(mutex_);
  std::string lost_ ABSL_GUARDED_BY(mutex_);
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_LOCK_SESSION_H_
