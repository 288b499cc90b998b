#include "services/coordinator/alerts/alert_metrics.h"

#include <cstdint>
#include <map>

#include "closewrite/v1/alert.pb.h"
#include "services/coordinator/core/alert_notes.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/metrics/api_names.h"

namespace closewrite {

std::vector<Metric> AlertMetrics(const OutboxSender::Numbers& numbers, Store& store) {
  MetricList metrics("closewrite_coordinator_");
  metrics.Counter("messages_sent_total", "Mails and calls of webhooks that were taken.", {},
                  numbers.sent);
  metrics.Counter("message_failures_total", "Times that a message had to be tried again.", {},
                  numbers.failures);
  metrics.Counter("messages_given_up_total", "Messages that nobody would take.", {},
                  numbers.given_up);
  std::map<size_t, int64_t> open;
  int64_t waiting = 0;
  const absl::Status read = store.Read([&](StoreReader& reader) {
    waiting = CountWaitingMessages(reader, kMessagesCountedMax);
    for (const Incident& incident : OpenIncidents(reader)) {
      ++open[static_cast<size_t>(incident.key.rule)];
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return metrics.Take();
  metrics.Gauge("messages_waiting", "Mails and calls of webhooks that wait to be sent.", {},
                waiting);
  for (const auto& [rule, name] : ApiNames(v1::AlertRule_descriptor())) {
    metrics.Gauge("incidents", "Incidents that go on, by the rule of `alerts:`.", {{"rule", name}},
                  open[rule]);
  }
  return metrics.Take();
}

}  // namespace closewrite
