// The book of jobs: applies rules, writes the store, and keeps the fleet and the effects in step.
#ifndef SERVICES_COORDINATOR_CORE_JOB_BOOK_H_
#define SERVICES_COORDINATOR_CORE_JOB_BOOK_H_

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/execution_points.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Used by the store loop alone; not thread-safe. Everything that inserts or changes a job comes
// through here.
class JobBook {
 public:
  // `random` gives numbers in [0, 1). Neither is owned. Executions make points only when `points`
  // is set.
  JobBook(Fleet* fleet, std::function<double()> random,
          const std::optional<ExtraTags>& points = std::nullopt)
      : fleet_(*fleet), random_(std::move(random)), points_(points) {}

  // Inserts; gives it an id.
  Job Insert(StoreTransaction& tx, Job job);

  // Applies one command to the job as it is in `job` (which must have been read in this
  // transaction). Errors are those of Apply. When the job has come to a final state, jobs that
  // waited for it move up in their line; one that is retried after its end joins the line again.
  absl::StatusOr<Job> Change(StoreTransaction& tx, const Job& job, const JobCommand& command,
                             absl::Time now);

  Effects& effects() { return effects_; }
  Effects TakeEffects() { return std::exchange(effects_, Effects()); }
  // Runs of tasks that have come to a final state since.
  std::vector<Job> TakeEndedRuns() { return std::exchange(ended_runs_, {}); }

  // Writes the points of this transaction so far; to be called before it ends.
  void FlushPoints(StoreTransaction& tx);
  // Those of a transaction that was given up.
  void ForgetPoints();

 private:
  void AppendPoint(StoreTransaction& tx, std::string_view line);
  void CloseGap(StoreTransaction& tx, const Job& left, absl::Time now);
  void Remember(StoreTransaction& tx, const Job& before, const Job& after);
  void Count(JobState before, JobState after);
  void Hold(const Job& job);
  void Grip(StoreTransaction& tx, const Job& job);
  void LetGo(StoreTransaction& tx, const Job& job);

  Fleet& fleet_;
  std::function<double()> random_;
  const std::optional<ExtraTags> points_;
  PointBatch batch_;  // not in the store yet
  Effects effects_;
  std::vector<Job> ended_runs_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_JOB_BOOK_H_
