#include "services/coordinator/metrics/alert_thresholds.h"

#include "services/coordinator/core/alert_policy.h"

namespace closewrite {

void AlertThresholds::Read(StoreReader& reader, const Fleet& fleet) {
  const int64_t version = reader.PipelinesVersion();
  // Memory may be behind what the store has just been told.
  if (version == version_ || version != fleet.pipelines_version) return;
  watched_ = FindWatched(reader, fleet);
  version_ = version;
}

std::vector<AlertThreshold> AlertThresholds::Of(const std::set<std::string>& stopped) const {
  std::vector<AlertThreshold> thresholds;
  for (const Watched& watched : watched_) {
    const auto add = [&](AlertRule rule, absl::Duration value) {
      if (value != absl::InfiniteDuration()) thresholds.push_back({watched.owner, rule, value});
    };
    const AlertPolicy& policy = watched.policy();
    if (!stopped.contains(watched.owner)) add(AlertRule::kNoSuccess, policy.no_success_within);
    add(AlertRule::kRunning, policy.running_longer_than);
    add(AlertRule::kWaiting, policy.waiting_longer_than);
  }
  return thresholds;
}

}  // namespace closewrite
