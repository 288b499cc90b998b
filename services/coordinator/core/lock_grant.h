// How locks come into the store and into memory.
#ifndef SERVICES_COORDINATOR_CORE_LOCK_GRANT_H_
#define SERVICES_COORDINATOR_CORE_LOCK_GRANT_H_

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Locks whose capacity is kept. They are named by anybody, so there must be a limit.
inline constexpr int64_t kLockCapacitiesMax = 1000;
// The notes that keep them, by lock.
inline constexpr char kLockCapacities[] = "lock-capacity";

// Gives `claim` its lock, for whoever has found that it may have it: writes it, with a token of its
// own, and puts it into memory.
void GrantLock(StoreTransaction& tx, Fleet* fleet, LockClaim claim, absl::Time now);
// Reads all locks into memory.
void LoadLocks(StoreReader& reader, Fleet* fleet);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_LOCK_GRANT_H_
