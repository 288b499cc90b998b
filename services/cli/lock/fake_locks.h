// The LockService of a fake coordinator.
#ifndef SERVICES_CLI_LOCK_FAKE_LOCKS_H_
#define SERVICES_CLI_LOCK_FAKE_LOCKS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/lock.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

// What it knows of locks and rates, which outlives its service. Sessions end when they are not
// renewed, as those of the real one do; claims that were put in by hand have none. Thread-safe.
class FakeLocks {
 public:
  std::unique_ptr<grpc::Service> MakeService(std::shared_ptr<FakeState> state);

  void SetTtl(absl::Duration ttl);
  // A lock as it is: its holders and waiters stay until they are taken away.
  void Put(const v1::Lock& lock);
  // Ends those that were put in.
  void Free(const std::string& name);
  // Takes all claims away, as an operator does.
  void Break(const std::string& name);
  // Ends all sessions, as a coordinator does that has heard nothing of them.
  void EndSessions();
  // All renewals fail with it from now on; OK: none does.
  void SetRenewalStatus(const absl::Status& status);
  // What AcquireLock answers instead of a claim; OK: as usual.
  void SetAcquireStatus(const absl::Status& status);
  // Called by each release before the lock is free.
  void SetOnRelease(std::function<void()> on_release);
  void PutRate(const v1::RateStatus& rate);
  // How TakeRate ends.
  void SetTake(const absl::Status& status, absl::Duration wait);

  v1::Lock lock(const std::string& name);
  int renewals();
  v1::TakeRateRequest taken();
  v1::SetRateRequest rate_set();
  v1::BreakLockRequest broken();
  // Returns when there is a holder that was not put in, its program, or "" after a long time.
  std::string AwaitHolder(const std::string& name);
  // The same for a waiter.
  std::string AwaitWaiter(const std::string& name);
  // Returns when nobody holds it; false after a long time.
  bool AwaitFree(const std::string& name);
  // Returns when so many more renewals were answered; false after a long time.
  bool AwaitRenewals(int more);

 private:
  class Service;

  bool Await(const std::function<bool()>& condition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends sessions, and grants what is free.
  void Tick() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(const std::function<bool(const v1::LockClaim&)>& which)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Lock& Get(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::LockClaim* Find(const std::string& name, const std::string& session, int* place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::Duration ttl_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(30);
  std::map<std::string, v1::Lock> locks_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Duration> sessions_ ABSL_GUARDED_BY(mutex_);  // when they end
  int64_t token_ ABSL_GUARDED_BY(mutex_) = 0;
  int renewals_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status renewal_status_ ABSL_GUARDED_BY(mutex_);
  absl::Status acquire_status_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_release_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::RateStatus> rates_ ABSL_GUARDED_BY(mutex_);
  absl::Status take_status_ ABSL_GUARDED_BY(mutex_);
  absl::Duration take_wait_ ABSL_GUARDED_BY(mutex_);
  v1::TakeRateRequest taken_ ABSL_GUARDED_BY(mutex_);
  v1::SetRateRequest rate_set_ ABSL_GUARDED_BY(mutex_);
  v1::BreakLockRequest broken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOCK_FAKE_LOCKS_H_
