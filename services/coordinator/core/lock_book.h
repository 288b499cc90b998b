// The book of locks that programs ask for, and of the sessions that keep them.
#ifndef SERVICES_COORDINATOR_CORE_LOCK_BOOK_H_
#define SERVICES_COORDINATOR_CORE_LOCK_BOOK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/rate.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

struct LockRequest {
  LockClaim claim;   // lock, holder (the session), who asks, priority
  int capacity = 0;  // that it counts on; 0: any
};

// A program's session is one without slots: it lives as those of executors do, by being heard of,
// and is kept in the same table. In memory it stands apart, in Fleet::programs. Used by the store
// loop alone; not thread-safe.
class LockBook {
 public:
  // Neither is owned.
  LockBook(Fleet* fleet, JobBook* book) : fleet_(*fleet), book_(*book) {}

  // Puts a program in line; it is given the lock, if that is free, at the end of the transaction.
  // One that is in line or holds it already is left where it is. Opens its session, or renews it.
  // FAILED_PRECONDITION: another capacity. RESOURCE_EXHAUSTED: too many.
  absl::Status Ask(StoreTransaction& tx, const LockRequest& request, absl::Time now);
  // NOT_FOUND: the session has ended.
  absl::Status Renew(StoreTransaction& tx, const SessionId& session, absl::Time now);
  // Ends the session, too, when it was its last claim.
  void Release(StoreTransaction& tx, const std::string& lock, const SessionId& session);
  // The same of a claim that waits; one that is held stays.
  void TakeBack(StoreTransaction& tx, const std::string& lock, const SessionId& session);
  // Of a session that has just been renewed.
  std::vector<LockClaim> ClaimsOf(StoreReader& reader, const SessionId& session);
  // NOT_FOUND, FAILED_PRECONDITION: as LockService.BreakLock says. "": all holders.
  absl::StatusOr<std::vector<LockClaim>> Break(StoreTransaction& tx, const std::string& lock,
                                               const SessionId& session);
  // RESOURCE_EXHAUSTED: too many are kept.
  absl::Status SetCapacity(StoreTransaction& tx, const std::string& lock, int capacity);

  // As DefineRate; jobs that wait for the rate are looked at again.
  absl::Status SetRate(StoreTransaction& tx, const std::string& name, const Rate& rate,
                       absl::Time now);

  // Ends a program's session and frees its locks.
  void End(StoreTransaction& tx, const SessionId& session);

 private:
  // Of a shared store: locks its session, so that nobody else gives it anything meanwhile, and
  // reads what others have done. False: it has ended.
  bool Hold(StoreTransaction& tx, const SessionId& session);
  absl::Status CheckCapacity(StoreTransaction& tx, const LockRequest& request);
  void Open(StoreTransaction& tx, const LockClaim& claim, absl::Time now);

  Fleet& fleet_;
  JobBook& book_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOCK_BOOK_H_
