#include "services/watcher/watcher_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

namespace closewrite::watcher {
namespace {

// As in the API, without their prefix.
constexpr std::pair<ChangeKind, const char*> kKinds[] = {
    {ChangeKind::kCloseWrite, "CLOSE_WRITE"}, {ChangeKind::kMovedTo, "MOVED_TO"},
    {ChangeKind::kCreate, "CREATE"},          {ChangeKind::kDelete, "DELETE"},
    {ChangeKind::kMovedFrom, "MOVED_FROM"},   {ChangeKind::kAttrib, "ATTRIB"},
};
constexpr std::pair<EngineState, const char*> kStates[] = {
    {EngineState::kLive, "LIVE"},
    {EngineState::kScanning, "SCANNING"},
    {EngineState::kDegraded, "DEGRADED"},
    {EngineState::kLost, "LOST"},
};

const char* BackendName(BackendKind backend) {
  switch (backend) {
    case BackendKind::kAuto:
      return "auto";
    case BackendKind::kInotify:
      return "inotify";
    case BackendKind::kFanotify:
      return "fanotify";
    case BackendKind::kPoll:
      return "poll";
  }
  return "";
}

void AddLedger(const LedgerNumbers& ledger, absl::Time now, MetricList* metrics) {
  const absl::Duration age = ledger.oldest_pending_unix_ns == 0
                                 ? absl::ZeroDuration()
                                 : now - absl::FromUnixNanos(ledger.oldest_pending_unix_ns);
  metrics->Gauge("oldest_unacknowledged_age_seconds",
                 "Age of the oldest change that is not acknowledged; 0 when there is none.", {},
                 std::max(0.0, absl::ToDoubleSeconds(age)));
  metrics->Counter("ledger_failed_commits_total",
                   "Commits of the ledger that failed, such as on a full disk.", {},
                   ledger.failed_commits);
}

void AddEvents(const std::string& name, const LedgerNumbers& ledger, MetricList* metrics) {
  const auto known = ledger.volumes.find(name);
  const LedgerNumbers::Volume volume =
      known == ledger.volumes.end() ? LedgerNumbers::Volume() : known->second;
  for (const auto& [kind, word] : kKinds) {
    metrics->Counter("events_total", "Changes that were recorded in the ledger, by kind.",
                     {{"volume", name}, {"kind", word}},
                     volume.recorded[static_cast<size_t>(kind)]);
  }
  metrics->Counter("events_found_total",
                   "Of these, those that a scan has found and no event of the kernel's.",
                   {{"volume", name}}, volume.found);
  metrics->Counter("events_acknowledged_total", "Changes that the coordinator has acknowledged.",
                   {{"volume", name}}, volume.acknowledged);
  metrics->Gauge("unacknowledged_events",
                 "Changes in the ledger that the coordinator has not acknowledged.",
                 {{"volume", name}}, volume.pending);
}

void AddPublished(const std::string& name, const PublishNumbers& published, MetricList* metrics) {
  const auto add = [&](const char* outcome, int64_t count) {
    metrics->Counter("publish_orders_total", "Tries to put the results of a job into place.",
                     {{"volume", name}, {"outcome", outcome}}, count);
  };
  add("PUBLISHED", published.published);
  add("REFUSED", published.refused);
  add("POSTPONED", published.postponed);
}

void AddState(const VolumeReport& volume, MetricList* metrics) {
  for (const auto& [state, word] : kStates) {
    metrics->Gauge("volume_state", "1 for the state that the volume is in.",
                   {{"volume", volume.name}, {"state", word}}, volume.state == state ? 1 : 0);
  }
  metrics->Gauge("volume_info", "1; the labels say how the volume is watched.",
                 {{"volume", volume.name},
                  {"backend", BackendName(volume.backend)},
                  {"file_system", volume.file_system}},
                 1);
  metrics->Gauge("volume_free_bytes", "Free bytes of the volume's file system.",
                 {{"volume", volume.name}}, volume.free_bytes);
  metrics->Gauge("volume_size_bytes", "Bytes of the volume's file system.",
                 {{"volume", volume.name}}, volume.total_bytes);
}

void AddVolume(const VolumeReport& volume, absl::Time now, MetricList* metrics) {
  const MetricLabels labels = {{"volume", volume.name}};
  AddState(volume, metrics);
  metrics->Gauge("watched_directories", "Directories that are watched.", labels,
                 volume.watched_directories);
  metrics->Gauge("unwatched_directories", "Directories whose events are not seen.", labels,
                 volume.unwatched_directories);
  metrics->Gauge("pending_files", "Files that are looked at again later.", labels,
                 volume.pending_files);
  metrics->Counter("overflows_total", "Overflows of the kernel's event queue.", labels,
                   volume.overflows);
  metrics->Counter("scans_total", "Scans of the whole volume.", labels, volume.scans);
  metrics->Gauge("last_scan_duration_seconds", "How long the last scan of the whole volume took.",
                 labels, absl::ToDoubleSeconds(volume.scan_duration));
  metrics->Counter("audit_found_total", "Changes that only an audit found.", labels,
                   volume.audit_found);
  metrics->Counter("canary_misses_total", "Canaries whose event did not come.", labels,
                   volume.canary_misses);
  if (volume.canary_seen_at == absl::InfinitePast()) return;
  metrics->Gauge("canary_age_seconds", "Since the canary's event was seen last.", labels,
                 std::max(0.0, absl::ToDoubleSeconds(now - volume.canary_seen_at)));
}

}  // namespace

std::vector<Metric> WatcherMetrics(const WatcherNumbers& numbers, absl::Time now) {
  MetricList metrics("closewrite_watcher_");
  metrics.Gauge("connected", "1 while the coordinator's stream is up.", {}, numbers.connected);
  AddLedger(numbers.ledger, now, &metrics);
  // The ledger may know volumes that are not configured any more.
  for (const VolumeReport& volume : numbers.volumes) {
    AddEvents(volume.name, numbers.ledger, &metrics);
    AddVolume(volume, now, &metrics);
    const auto published = numbers.published.find(volume.name);
    AddPublished(volume.name,
                 published == numbers.published.end() ? PublishNumbers() : published->second,
                 &metrics);
  }
  return metrics.Take();
}

}  // namespace closewrite::watcher
