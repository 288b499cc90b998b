// The coordinator's numbers under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_COORDINATOR_METRICS_H_
#define SERVICES_COORDINATOR_COORDINATOR_METRICS_H_

#include <vector>

#include "services/coordinator/core/kept_log.h"
#include "services/metrics/metrics_server.h"

namespace closewrite {

// All begin with `closewrite_coordinator_`.
std::vector<Metric> CoordinatorMetrics(const LogTotals& logs);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_COORDINATOR_METRICS_H_
