// The watcher's numbers under the names that Prometheus sees.
#ifndef SERVICES_WATCHER_WATCHER_METRICS_H_
#define SERVICES_WATCHER_WATCHER_METRICS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/metrics/metric.h"
#include "services/watcher/ledger.h"
#include "services/watcher/publisher.h"
#include "services/watcher/volume_report.h"

namespace closewrite::watcher {

struct WatcherNumbers {
  std::vector<VolumeReport> volumes;  // that are configured
  LedgerNumbers ledger;
  std::map<std::string, PublishNumbers> published;  // by volume
  bool connected = false;                           // the coordinator's stream is up
};

// All begin with `closewrite_watcher_`.
std::vector<Metric> WatcherMetrics(const WatcherNumbers& numbers, absl::Time now);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCHER_METRICS_H_
