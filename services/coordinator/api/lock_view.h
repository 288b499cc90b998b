// Locks as people and programs see them: claims together with the jobs that wait.
#ifndef SERVICES_COORDINATOR_API_LOCK_VIEW_H_
#define SERVICES_COORDINATOR_API_LOCK_VIEW_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "closewrite/v1/lock.pb.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Waiting jobs of one pipeline that are looked at.
inline constexpr int64_t kWaitingJobsMax = 1000;
// Waiters that are shown.
inline constexpr size_t kWaitersShownMax = 100;

// What memory knows of a lock.
struct LockSnapshot {
  std::string name;
  LockLine line;
  // Pipelines and runs of tasks whose jobs need it, with their priorities.
  std::vector<std::pair<std::string, int>> pipelines;
};
LockSnapshot SnapshotOf(const Engine& engine, const std::string& lock);
// Of all locks, by name, at most `limit`.
std::vector<LockSnapshot> SnapshotsOf(const Engine& engine, size_t limit);

v1::LockClaim ShowClaim(const LockClaim& claim);

// All who wait, in order, as far as kWaitingJobsMax of each pipeline.
std::vector<v1::LockClaim> WaitersOf(StoreReader& reader, const LockSnapshot& snapshot);
v1::Lock ShowLock(StoreReader& reader, const LockSnapshot& snapshot);

// `3rd in line`, `next in line` for 0 before it.
std::string PlaceWords(size_t before);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOCK_VIEW_H_
