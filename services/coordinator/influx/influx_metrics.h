// The numbers of points under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_INFLUX_INFLUX_METRICS_H_
#define SERVICES_COORDINATOR_INFLUX_INFLUX_METRICS_H_

#include <vector>

#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/influx/influx_writer.h"
#include "services/metrics/metrics_server.h"

namespace closewrite {

// All begin with `closewrite_coordinator_influx_`. `waiting` are the points in the store.
std::vector<Metric> InfluxMetrics(const InfluxWriter::Numbers& numbers, const PointRange& waiting);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_INFLUX_INFLUX_METRICS_H_
