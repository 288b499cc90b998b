// The coordinator's numbers under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_COORDINATOR_METRICS_H_
#define SERVICES_COORDINATOR_COORDINATOR_METRICS_H_

#include <string>
#include <vector>

#include "services/coordinator/core/kept_log.h"
#include "services/coordinator/core/store.h"
#include "services/metrics/metrics_server.h"

namespace closewrite {

// Names of the started tasks that crash in a loop.
std::vector<std::string> TasksInCrashLoop(StoreReader& reader);

// All begin with `closewrite_coordinator_`.
std::vector<Metric> CoordinatorMetrics(const LogTotals& logs,
                                       const std::vector<std::string>& crash_loops);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_COORDINATOR_METRICS_H_
