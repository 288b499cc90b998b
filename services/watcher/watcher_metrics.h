// The watcher's numbers under the names that Prometheus sees.
#ifndef SERVICES_WATCHER_WATCHER_METRICS_H_
#define SERVICES_WATCHER_WATCHER_METRICS_H_

#include <vector>

#include "absl/time/time.h"
#include "services/metrics/metrics_server.h"
#include "services/watcher/ledger.h"
#include "services/watcher/volume_report.h"

namespace closewrite::watcher {

// All begin with `closewrite_watcher_`. `connected`: the coordinator's stream is up.
std::vector<Metric> WatcherMetrics(const std::vector<VolumeReport>& volumes,
                                   const LedgerNumbers& ledger, bool connected, absl::Time now);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCHER_METRICS_H_
