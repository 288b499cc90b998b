// What memory knows of the fleet, under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_METRICS_FLEET_METRICS_H_
#define SERVICES_COORDINATOR_METRICS_FLEET_METRICS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/metrics/metric.h"

namespace closewrite {

// Names of executors that have a session, whichever coordinator they attend.
std::vector<std::string> PresentExecutors(const Fleet& fleet);

// Executors, watchers and their volumes. `lost` executors are gone, by name.
void AppendFleet(const Fleet& fleet, const std::vector<std::string>& lost, absl::Time now,
                 MetricList* list);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_FLEET_METRICS_H_
