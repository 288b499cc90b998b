// Which job goes to which slot: fair between pipelines, first come first served for locks.
#ifndef SERVICES_COORDINATOR_CORE_ASSIGN_H_
#define SERVICES_COORDINATOR_CORE_ASSIGN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Leases that are given away in one step; more slots are filled by further steps.
inline constexpr int64_t kLeaseBatchMax = 1024;

// A pipeline of higher priority goes first, whatever waits in others. Those of one priority share
// the slots by their weights: each has a pass, which rises by 1/weight with every lease, and the
// lowest pass is next (stride scheduling). One that had nothing to do starts where the others are,
// so a single job is next in line beside a million of another pipeline's, and nobody saves up.
//
// Jobs that need locks go one by one in the order of priority, then of id, over all pipelines. One
// that can't have all of its locks yet reserves them: nobody overtakes it, so it can't starve.
// Where slots are few they have, all together, their share by their weights.
//
// Not thread-safe.
class Assigner {
 public:
  // Neither is owned.
  Assigner(Fleet* fleet, JobBook* book) : fleet_(*fleet), book_(*book) {}

  // Forgets whose turn it is: after a commit that failed, whose leases count for nothing.
  void StartAnew() { passes_.clear(), base_pass_ = 0; }
  // Gives available jobs to the free slots of sessions that attend this coordinator.
  void Assign(StoreTransaction& tx, absl::Time now);

 private:
  // A pipeline that may have an available job, and the sessions that could run it.
  struct Lane {
    std::shared_ptr<const Pipeline> pipeline;
    std::vector<Session*> sessions;
    int64_t FreeSlots() const;
    Session* MostFree() const;  // nullptr: no slot is free
  };
  using Lanes = std::vector<Lane>;

  std::vector<Session*> FreeSessions(StoreTransaction& tx);
  Lanes ReadyLanes(StoreTransaction& tx, const std::vector<Session*>& sessions) const;
  bool GrantLocked(StoreTransaction& tx, const Lanes& lanes, const Lanes& open, int64_t slots,
                   std::set<std::string>& reserved, absl::Time now);
  int64_t SharedWithLocked(const Lanes& locked, const Lanes& open, int64_t slots);
  bool GrantFairly(StoreTransaction& tx, const Lanes& lanes, int64_t slots, absl::Time now);
  // `locked`: jobs that need locks and may have a share.
  // `among`: of these sessions' slots alone; nullptr: of all that the lanes have.
  std::vector<StoreTransaction::Wish> Share(const Lanes& lanes, int64_t locked, int64_t slots,
                                            const std::set<Session*>* among);
  void ForgetPasses();
  bool Lease(StoreTransaction& tx, const Lane& lane, const Job& job, absl::Time now);

  Fleet& fleet_;
  JobBook& book_;
  std::map<std::string, double> passes_;  // by pipeline
  double locked_step_ = 1;                // by which the pass of those with locks rises
  double base_pass_ = 0;                  // the lowest of those that shared last; others begin here
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ASSIGN_H_
