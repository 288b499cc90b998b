// What LockService.AcquireLock and WatchLock say.
#ifndef SERVICES_COORDINATOR_API_LOCK_STREAMS_H_
#define SERVICES_COORDINATOR_API_LOCK_STREAMS_H_

#include <string>
#include <utility>

#include "closewrite/v1/lock.pb.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/core/lock_book.h"
#include "services/coordinator/store_loop.h"

namespace closewrite {

// Whether claims may have changed.
bool ChangesLocks(const Effects& effects);

// From the claim to the grant.
class LockAcquisition : public StreamSource<v1::AcquireLockResponse> {
 public:
  // `loop` is not owned.
  LockAcquisition(StoreLoop* loop, LockRequest request, bool no_wait)
      : loop_(*loop), request_(std::move(request)), no_wait_(no_wait) {}

  absl::StatusOr<Batch> Next() override;
  bool OnChange(const Effects& effects) override { return ChangesLocks(effects); }

 private:
  absl::Status Ask();
  // A claim that waits is taken back; one that is held is kept.
  absl::Status TakeBack();
  absl::Status Describe(const LockClaim& claim, v1::AcquireLockResponse* response);

  StoreLoop& loop_;
  const LockRequest request_;
  const bool no_wait_;
  bool asked_ = false;
  std::string said_;  // what was sent last, in bytes
};

// A lock each time its claims change.
class LockWatch : public StreamSource<v1::WatchLockResponse> {
 public:
  // `loop` is not owned.
  LockWatch(StoreLoop* loop, std::string lock) : loop_(*loop), lock_(std::move(lock)) {}

  absl::StatusOr<Batch> Next() override;
  bool OnChange(const Effects& effects) override { return ChangesLocks(effects); }

 private:
  StoreLoop& loop_;
  const std::string lock_;
  std::string said_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOCK_STREAMS_H_
