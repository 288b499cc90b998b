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
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Leases that are given away in one step; more slots are filled by further steps.
inline constexpr int64_t kLeaseBatchMax = 1024;

// A pipeline of higher priority goes first, whatever waits in others. Those of one priority share
// the slots by their weights: each has a pass, which rises by 1/weight with every lease, and the
// lowest pass is next (stride scheduling). One that had nothing to do starts where the others are,
// so a single job is next in line beside a million of another pipeline's, and nobody saves up.
//
// Jobs that need locks, and programs that ask for one, go one by one in the order of priority, then
// of when they were made, over all pipelines. A job that can't have all of its locks yet reserves
// them: nobody overtakes it, so it can't starve. Where slots are few those jobs have, all together,
// their share by their weights. Jobs that need a rate go the same way.
//
// Not thread-safe.
class Assigner {
 public:
  // Neither is owned.
  Assigner(Fleet* fleet, JobBook* book) : fleet_(*fleet), book_(*book) {}

  // Forgets whose turn it is: after a commit that failed, whose leases count for nothing.
  void StartAnew() { passes_.clear(), base_pass_ = 0; }
  // Gives available jobs to the free slots of sessions that attend this coordinator, and locks to
  // programs.
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
  // Locks, and how many holds on each are kept for those who come first.
  using Reserved = std::map<std::string, int64_t>;
  // Somebody whose turn it may be.
  struct Candidate {
    LockPlace place;
    size_t job = 0;     // its place among those that were claimed
    LockClaim program;  // "" as its holder: a job

    bool operator<(const Candidate& other) const { return place < other.place; }
  };
  void AssignJobs(StoreTransaction& tx, Reserved& reserved, absl::Time now);
  bool Taken(const std::string& lock, const Reserved& reserved) const;
  // Whether a job of the lane may begin as far as rates go; takes its call.
  bool TakesRate(StoreTransaction& tx, const Lane& lane, absl::Time now);
  bool HasToWaitForRate(const Lane& lane) const;
  std::vector<Job> ClaimLocked(StoreTransaction& tx, const Lanes& lanes, const Reserved& reserved);
  // Programs that wait for a lock that is not taken, of `priority` or a larger one.
  void AddPrograms(int priority, const Reserved& reserved,
                   std::vector<Candidate>* candidates) const;
  void GrantPrograms(StoreTransaction& tx, const Reserved& reserved, absl::Time now);
  bool GrantProgram(StoreTransaction& tx, const LockClaim& claim, absl::Time now);
  bool GrantLocked(StoreTransaction& tx, const Lanes& lanes, const Lanes& open, int64_t slots,
                   Reserved& reserved, absl::Time now);
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
