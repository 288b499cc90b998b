#include "services/coordinator/metrics/alert_thresholds.h"

#include "services/coordinator/alerts/alert_facts.h"
#include "services/coordinator/core/alert_policy.h"

namespace closewrite {

void AlertThresholds::Read(StoreReader& reader, const Fleet& fleet) {
  policies_.clear();
  // Memory has them decoded, and may be ahead of the reader or behind it.
  for (const auto& [name, pipeline] : fleet.pipelines) policies_.emplace_back(name, pipeline);
  if (const int64_t version = reader.PipelinesVersion(); version != version_) {
    tasks_.clear();
    for (const Watched& watched : FindWatched(reader, fleet)) {
      if (watched.is_task) tasks_.emplace_back(watched.owner, watched.pipeline);
    }
    version_ = version;
  }
  policies_.insert(policies_.end(), tasks_.begin(), tasks_.end());
}

std::vector<AlertThreshold> AlertThresholds::Of(const std::set<std::string>& stopped) const {
  std::vector<AlertThreshold> thresholds;
  for (const auto& [owner, pipeline] : policies_) {
    const auto add = [&, &owner = owner](AlertRule rule, absl::Duration value) {
      if (value != absl::InfiniteDuration()) thresholds.push_back({owner, rule, value});
    };
    const AlertPolicy& policy = pipeline->alerts;
    if (!stopped.contains(owner)) add(AlertRule::kNoSuccess, policy.no_success_within);
    add(AlertRule::kRunning, policy.running_longer_than);
    add(AlertRule::kWaiting, policy.waiting_longer_than);
  }
  return thresholds;
}

}  // namespace closewrite
