// The executor's numbers under the names that Prometheus sees.
#ifndef SERVICES_EXECUTOR_EXECUTOR_METRICS_H_
#define SERVICES_EXECUTOR_EXECUTOR_METRICS_H_

#include <vector>

#include "absl/time/time.h"
#include "closewrite/v1/health.pb.h"
#include "services/executor/attempt_meters.h"
#include "services/executor/attempt_table.h"
#include "services/executor/coordinator_link.h"
#include "services/metrics/metric.h"

namespace closewrite::executor {

// A mount that could not be looked at for so long does not answer.
inline constexpr absl::Duration kMountSilenceMax = absl::Minutes(1);

struct ExecutorNumbers {
  int slots = 1;
  CoordinatorLink::Numbers link;
  AttemptTable::Numbers table;
  std::vector<v1::VolumeHealth> volumes;
};

// All begin with `closewrite_executor_`. `since_boot` is now, on the clock of SinceBoot(), `now` on
// that by which mounts were checked.
std::vector<Metric> ExecutorMetrics(const ExecutorNumbers& numbers, const AttemptMeters& attempts,
                                    absl::Duration since_boot, absl::Time now);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_EXECUTOR_METRICS_H_
