// How commits go: their time, and how they fail.
#ifndef TESTS_SIMULATION_DISK_H_
#define TESTS_SIMULATION_DISK_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What is acknowledged is synced. So that a commit's outcome can be unknown, its change happens at
// one instant between its begin and its answer; a crash before loses it, one after keeps it.
struct CommitPlan {
  absl::Duration before;  // from the begin to the change
  absl::Duration after;   // from the change to the answer
  enum class Fate {
    kDone,
    kAborted,      // not done, may be run again at once
    kUnavailable,  // not done
    kLostAnswer,   // done, and UNAVAILABLE all the same
    kFull,         // not done, RESOURCE_EXHAUSTED
  } fate = Fate::kDone;
  enum class Crash { kNo, kBeforeChange, kAfterChange } crash = Crash::kNo;
};

struct DiskRates {
  double slow = 0;      // commits that take long
  double failing = 0;   // that fail
  double crashing = 0;  // that their coordinator does not outlive
};

// The store's disk, or its server. Not thread-safe.
class Disk {
 public:
  // Only a shared store aborts transactions, as deadlocks need two.
  Disk(World* world, bool shared, DiskRates rates)
      : world_(*world), shared_(shared), rates_(rates) {}

  CommitPlan Plan();
  absl::Status PlanRead();

  void SlowFor(absl::Duration duration) { slow_until_ = world_.now() + duration; }
  void DownFor(absl::Duration duration) { down_until_ = world_.now() + duration; }
  void FullFor(absl::Duration duration) { full_until_ = world_.now() + duration; }
  // From now on nothing fails.
  void Heal();

 private:
  World& world_;
  const bool shared_;
  DiskRates rates_;
  absl::Duration slow_until_;
  absl::Duration down_until_;
  absl::Duration full_until_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_DISK_H_
