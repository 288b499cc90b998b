// What the store says at a scrape.
#ifndef SERVICES_COORDINATOR_METRICS_STORE_FIGURES_H_
#define SERVICES_COORDINATOR_METRICS_STORE_FIGURES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/kept_log.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/waiting.h"

namespace closewrite {

// Of a state other than AVAILABLE no more jobs are counted, of all pipelines together.
inline constexpr int64_t kJobsCountedMax = 100'000;
// Of a state other than AVAILABLE no more jobs are looked at, the newest ones.
inline constexpr int64_t kJobsLookedAtMax = 10'000;

struct StoreFigures {
  std::set<std::string> pipelines;  // there are; runs of tasks count as one
  std::map<std::string, absl::Time> applied_at;
  std::set<std::string> stopped;  // of tasks
  std::vector<JobCount> counts;
  std::map<WaitingReason, absl::Duration> oldest_waiting;  // only of reasons that there are
  std::map<std::string, absl::Duration> oldest_available;  // by pipeline
  std::map<std::string, absl::Duration> oldest_running;    // likewise
  std::vector<std::string> crash_loops;                    // names of tasks
  LogTotals logs;
  PointRange points;
};

// Takes milliseconds, however many jobs wait: all but the count of AVAILABLE ones, which an index
// gives, is bounded by the constants above, and by the number of pipelines. `fleet` is as it was a
// moment ago.
StoreFigures ReadStoreFigures(StoreReader& reader, const Fleet& fleet, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_STORE_FIGURES_H_
