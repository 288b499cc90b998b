// What a transaction does not see of the store: rows that others have locked, and planted bugs.
#ifndef TESTS_SIMULATION_STORE_LIES_H_
#define TESTS_SIMULATION_STORE_LIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/pipeline.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/watched_transaction.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Not thread-safe.
class StoreLies final : public WatchedTransaction::Lies {
 public:
  // `skipped_rows`: the share of rows that seem locked by another coordinator just now.
  StoreLies(World* world, double skipped_rows, Plant plant)
      : world_(*world), skipped_rows_(skipped_rows), plant_(plant) {}

  // The storm begins: at some time of it a queue is forgotten, if that is planted.
  void Begin(const std::vector<Pipeline>& pipelines, absl::Duration storm);

  bool HidesFromClaim(const Job& job) override;
  bool HidesExpired(const SessionRecord&) override { return Skips(); }
  bool HidesDue(const StoredTask& task) override;
  bool RefusesLocks() override { return Skips(); }
  bool ForgetsLog() override { return plant_ == Plant::kForgetLog && world_.random().Chance(0.05); }
  StoredTask Bend(const StoredTask& kept, const StoredTask& task) override;

 private:
  // Others lock a row for as long as a commit takes; then it can be had for a while.
  template <class Id>
  bool IsLocked(const Id& id, std::map<Id, absl::Duration>& locked_at);
  bool Skips() { return skipped_rows_ > 0 && world_.random().Chance(skipped_rows_); }

  World& world_;
  const double skipped_rows_;
  const Plant plant_;
  std::string forgotten_;
  std::map<JobId, absl::Duration> jobs_locked_at_;
  std::map<std::string, absl::Duration> tasks_locked_at_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_STORE_LIES_H_
