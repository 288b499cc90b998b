// What there is to know for alarms: read from the store and from memory.
#ifndef SERVICES_COORDINATOR_ALERTS_ALERT_FACTS_H_
#define SERVICES_COORDINATOR_ALERTS_ALERT_FACTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/alert_rules.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Running jobs that are looked at.
inline constexpr int64_t kRunningJobsMax = 100'000;
// Finished jobs that are looked at in one piece, when the newest success of a pipeline is in doubt.
inline constexpr int64_t kFinishedPerRead = 1000;

// A pipeline or a task with alerts.
struct Watched {
  std::string owner;                         // see IncidentKey
  std::shared_ptr<const Pipeline> pipeline;  // or what runs the task
  bool is_task = false;
  absl::Time applied_at;

  const AlertPolicy& policy() const { return pipeline->alerts; }
};

// All that have any, by owner. Definitions that can't be read are left out.
std::vector<Watched> FindWatched(StoreReader& reader, const Fleet& fleet);

// Which volumes have new overflows: the marks as they should be.
std::vector<OverflowMark> NewOverflowMarks(const std::vector<OverflowMark>& known,
                                           const Fleet& fleet, absl::Time now);

// What one look at the store and the fleet has in common for all.
struct Surroundings {
  const Fleet* fleet = nullptr;
  std::vector<GoneExecutor> lost;
  std::map<std::string, OverflowMark> overflows;  // by volume
  std::map<std::string, JobSince> running;        // by owner
  absl::Time now;
};
// The longest running job of each owner.
std::map<std::string, JobSince> LongestRunning(StoreReader& reader);
// All but successes: those are the baseline's.
AlertFacts FactsOf(const Watched& watched, const Baseline& baseline, const Surroundings& around,
                   StoreReader& reader);

// The newest successes of these owners that are newer than the times given with them; those that
// have none are missing. Reads jobs in pieces, the newest first, until all are found; breaks off
// with CANCELLED when `stop` says so.
absl::StatusOr<std::map<std::string, absl::Time>> FindSuccesses(
    Store& store, const std::map<std::string, absl::Time>& since, absl::FunctionRef<bool()> stop);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_ALERT_FACTS_H_
