// What Prometheus' own libraries tell of a process, and what runs in it.
#ifndef SERVICES_METRICS_PROCESS_METRICS_H_
#define SERVICES_METRICS_PROCESS_METRICS_H_

#include <string>
#include <vector>

#include "services/metrics/metric.h"

namespace closewrite {

// Of this process, by /proc; what can't be read there is left out. Thread-safe.
class ProcessMetrics {
 public:
  // `service` is its name, such as `coordinator`.
  explicit ProcessMetrics(std::string service);

  // `closewrite_build_info`, and names with `process_` as they are customary.
  std::vector<Metric> Collect() const;

 private:
  const std::string service_;
  const double started_at_;  // seconds since 1970; 0: unknown
};

}  // namespace closewrite

#endif  // SERVICES_METRICS_PROCESS_METRICS_H_
