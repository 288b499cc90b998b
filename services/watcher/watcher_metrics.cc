#include "services/watcher/watcher_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

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

class Metrics {
 public:
  void Counter(const char* name, const char* help, Labels labels, int64_t value) {
    Add(name, help, MetricType::kCounter, std::move(labels), static_cast<double>(value));
  }
  void Gauge(const char* name, const char* help, Labels labels, double value) {
    Add(name, help, MetricType::kGauge, std::move(labels), value);
  }
  void Count(const char* name, const char* help, Labels labels, int64_t value) {
    Gauge(name, help, std::move(labels), static_cast<double>(value));
  }
  std::vector<Metric> Take() { return std::move(all_); }

 private:
  void Add(const char* name, const char* help, MetricType type, Labels labels, double value) {
    all_.push_back({StrCat("closewrite_watcher_", name), help, type, std::move(labels), value});
  }

  std::vector<Metric> all_;
};

void AddLedger(const LedgerNumbers& ledger, absl::Time now, Metrics* metrics) {
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

void AddEvents(const std::string& name, const LedgerNumbers& ledger, Metrics* metrics) {
  const auto known = ledger.volumes.find(name);
  const LedgerNumbers::Volume volume =
      known == ledger.volumes.end() ? LedgerNumbers::Volume() : known->second;
  for (const auto& [kind, word] : kKinds) {
    metrics->Counter("events_total", "Changes that were recorded in the ledger, by kind.",
                     {{"volume", name}, {"kind", word}},
                     volume.recorded[static_cast<size_t>(kind)]);
  }
  metrics->Count("unacknowledged_events",
                 "Changes in the ledger that the coordinator has not acknowledged.",
                 {{"volume", name}}, volume.pending);
}

void AddState(const VolumeReport& volume, Metrics* metrics) {
  for (const auto& [state, word] : kStates) {
    metrics->Count("volume_state", "1 for the state that the volume is in.",
                   {{"volume", volume.name}, {"state", word}}, volume.state == state ? 1 : 0);
  }
  metrics->Count("volume_info", "1; the labels say how the volume is watched.",
                 {{"volume", volume.name},
                  {"backend", BackendName(volume.backend)},
                  {"file_system", volume.file_system}},
                 1);
}

void AddVolume(const VolumeReport& volume, absl::Time now, Metrics* metrics) {
  const Labels labels = {{"volume", volume.name}};
  AddState(volume, metrics);
  metrics->Count("watched_directories", "Directories that are watched.", labels,
                 volume.watched_directories);
  metrics->Count("unwatched_directories", "Directories whose events are not seen.", labels,
                 volume.unwatched_directories);
  metrics->Count("pending_files", "Files that are looked at again later.", labels,
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

std::vector<Metric> WatcherMetrics(const std::vector<VolumeReport>& volumes,
                                   const LedgerNumbers& ledger, bool connected, absl::Time now) {
  Metrics metrics;
  metrics.Count("connected", "1 while the coordinator's stream is up.", {}, connected ? 1 : 0);
  AddLedger(ledger, now, &metrics);
  // The ledger may know volumes that are not configured any more.
  for (const VolumeReport& volume : volumes) {
    AddEvents(volume.name, ledger, &metrics);
    AddVolume(volume, now, &metrics);
  }
  return metrics.Take();
}

}  // namespace closewrite::watcher
