// The numbers of alarms and messages under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_ALERTS_ALERT_METRICS_H_
#define SERVICES_COORDINATOR_ALERTS_ALERT_METRICS_H_

#include <vector>

#include "services/coordinator/alerts/outbox_sender.h"
#include "services/coordinator/core/store.h"
#include "services/metrics/metric.h"

namespace closewrite {

// Messages that wait are counted no further.
inline constexpr int64_t kMessagesCountedMax = 10'000;

// All begin with `closewrite_coordinator_`. What the store says is missing while it can't be read.
std::vector<Metric> AlertMetrics(const OutboxSender::Numbers& numbers, Store& store);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ALERTS_ALERT_METRICS_H_
