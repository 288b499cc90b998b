// The times of pipelines' and tasks' own alarms, so that rules in Prometheus can go by them.
#ifndef SERVICES_COORDINATOR_METRICS_ALERT_THRESHOLDS_H_
#define SERVICES_COORDINATOR_METRICS_ALERT_THRESHOLDS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/alerts/alert_facts.h"
#include "services/coordinator/core/alert_rules.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

struct AlertThreshold {
  std::string owner;  // a pipeline's name, or RunsOf(task)
  AlertRule rule = AlertRule::kNoSuccess;
  absl::Duration value;
};

// Decodes definitions only when one was changed. Not thread-safe.
class AlertThresholds {
 public:
  void Read(StoreReader& reader, const Fleet& fleet);
  // No success is asked for of `stopped` owners.
  std::vector<AlertThreshold> Of(const std::set<std::string>& stopped) const;

 private:
  int64_t version_ = -1;
  std::vector<Watched> watched_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_ALERT_THRESHOLDS_H_
