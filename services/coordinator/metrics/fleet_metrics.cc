#include "services/coordinator/metrics/fleet_metrics.h"

#include <algorithm>
#include <cstdint>

#include "closewrite/v1/observe.pb.h"
#include "services/coordinator/metrics/api_names.h"
#include "services/metrics/label_map.h"

namespace closewrite {
namespace {

struct ExecutorRow {
  int64_t connected = 0;
  int64_t slots = 0;
  int64_t busy = 0;
};

// A name may have an old session beside its new one.
void AppendExecutors(const Fleet& fleet, const std::vector<std::string>& lost, MetricList* list) {
  LabelMap<ExecutorRow> rows;
  int64_t connected = 0;
  int64_t draining = 0;
  int64_t disconnected = 0;
  for (const std::string& name : lost) rows.LabelOf(name);
  for (const auto& [id, session] : fleet.sessions) {
    if (session.connected() && session.coordinator != fleet.self) continue;
    ExecutorRow& row = rows[session.executor.name];
    disconnected += !session.connected();
    if (!session.connected()) continue;
    ++(session.draining ? draining : connected);
    ++row.connected;
    row.slots += session.executor.slots;
    row.busy += static_cast<int64_t>(session.leases.size());
  }
  const auto count = [&](const char* state, size_t number) {
    list->Gauge("executors", "Executors by what is known of them.", {{"state", state}}, number);
  };
  count("connected", connected);
  count("draining", draining);
  count("disconnected", disconnected);
  count("lost", lost.size());
  for (const auto& [name, row] : rows) {
    const MetricLabels labels = {{"executor", name}};
    list->Gauge("executor_connected", "1 while the executor is connected.", labels, row.connected);
    if (row.connected == 0) continue;
    list->Gauge("executor_slots", "Slots of an executor that is connected.", labels, row.slots);
    list->Gauge("executor_slots_busy", "Of these, those that have a lease.", labels, row.busy);
  }
}

struct VolumeRow {
  VolumeState state = VolumeState::kUnknown;
  int64_t overflows = 0;
  int64_t unacknowledged = 0;
};

void AppendVolumes(const LabelMap<VolumeRow>& volumes, MetricList* list) {
  static const auto& states = *new auto(ApiNames(v1::VolumeState_descriptor()));
  for (const auto& [name, row] : volumes) {
    for (const auto& [number, state] : states) {
      list->Gauge("volume_state", "1 for the state that the volume's home reports.",
                  {{"volume", name}, {"state", state}},
                  static_cast<size_t>(row.state) == number ? 1 : 0);
    }
    list->Counter("volume_overflows_total",
                  "Overflows of the kernel's event queue at the volume's home.", {{"volume", name}},
                  row.overflows);
    list->Gauge("volume_unacknowledged_events",
                "Events that the volume's home had yet to tell at its last heartbeat.",
                {{"volume", name}}, row.unacknowledged);
  }
}

void AppendWatchers(const Fleet& fleet, absl::Time now, MetricList* list) {
  LabelMap<int64_t> hosts;
  LabelMap<VolumeRow> volumes;
  for (const auto& [host, watcher] : fleet.watchers) {
    // A stream may be up though nothing comes; of a coordinator that was killed records say so.
    hosts[host] += watcher.connected() && watcher.expires_at > now;
    for (const VolumeReport& report : watcher.volumes) {
      VolumeRow& row = volumes[report.volume];
      row.state = std::max(row.state, report.state);  // the worst, should it be "other"
      row.overflows += report.overflows;
      row.unacknowledged += report.unacknowledged_events;
    }
  }
  for (const auto& [host, connected] : hosts) {
    list->Gauge("watcher_connected", "1 while the host's watcher is connected.", {{"host", host}},
                connected);
  }
  AppendVolumes(volumes, list);
}

}  // namespace

std::vector<std::string> PresentExecutors(const Fleet& fleet) {
  std::vector<std::string> names;
  for (const auto& [id, session] : fleet.sessions) {
    if (session.connected()) names.push_back(session.executor.name);
  }
  return names;
}

void AppendFleet(const Fleet& fleet, const std::vector<std::string>& lost, absl::Time now,
                 MetricList* list) {
  AppendExecutors(fleet, lost, list);
  AppendWatchers(fleet, now, list);
}

}  // namespace closewrite
