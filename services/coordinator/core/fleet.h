// Who is there: sessions of executors, watchers, and what they hold. Kept in memory; rebuilt from
// the store and from the streams after a restart. Plain values, not thread-safe.
#ifndef SERVICES_COORDINATOR_CORE_FLEET_H_
#define SERVICES_COORDINATOR_CORE_FLEET_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/pipeline.h"

namespace closewrite {

// Who an executor says it is.
struct ExecutorHello {
  std::string name;
  std::string host;
  SessionId session;  // to resume; "" for a new one
  std::vector<std::string> labels;
  int slots = 1;
  std::map<std::string, std::string> volume_roots;
  std::vector<std::string> read_only_volumes;
  std::string version;
  std::string address;
};

// An executor's presence. Its leases live as long as it.
struct Session {
  SessionId id;
  ExecutorHello executor;
  bool connected = false;
  bool draining = false;
  absl::Time heartbeat_at = absl::InfinitePast();
  absl::Time expires_at = absl::InfinitePast();
  std::map<JobId, FencingToken> leases;
  std::map<JobId, Progress> progress;

  int FreeSlots() const {
    if (!connected || draining) return 0;
    const int free = executor.slots - static_cast<int>(leases.size());
    return free > 0 ? free : 0;
  }
};

// The same numbers as VolumeState in observe.proto.
enum class VolumeState { kUnknown = 0, kLive = 1, kScanning = 2, kDegraded = 3, kLost = 4 };

// A volume as its home reports it.
struct VolumeReport {
  std::string volume;
  std::string root;
  std::string volume_id;
  VolumeState state = VolumeState::kUnknown;
  std::string message;
  bool read_only = false;
  int64_t watched_directories = 0;
  int64_t overflows = 0;
  int64_t unacknowledged_events = 0;
  int backend = 0;  // the numbers of WatchBackend in observe.proto; only passed on
  int64_t unwatched_directories = 0;
  int64_t pending_files = 0;
  std::string file_system;
  int64_t scans = 0;
  absl::Duration scan_duration;
  int64_t audit_found = 0;
  absl::Time canary_seen_at = absl::InfinitePast();
  int64_t canary_misses = 0;
};

struct Watcher {
  std::string host;
  bool connected = false;
  std::string version;
  std::string address;
  absl::Time heartbeat_at = absl::InfinitePast();
  std::vector<VolumeReport> volumes;
};

// Who holds a lock.
struct LockHolder {
  JobId job;
  std::string host;
  absl::Time since = absl::InfinitePast();
};

struct Fleet {
  std::map<std::string, std::shared_ptr<const Pipeline>> pipelines;
  std::map<SessionId, Session> sessions;
  std::map<std::string, Watcher> watchers;  // by host
  std::map<std::string, LockHolder> locks;  // held ones, by name; capacity 1
  std::set<std::string> ready;              // pipelines that may have an available job
  absl::Time started_at = absl::InfinitePast();
  absl::Duration session_ttl;

  std::shared_ptr<const Pipeline> FindPipeline(const std::string& name) const {
    auto it = pipelines.find(name);
    return it == pipelines.end() ? nullptr : it->second;
  }
  // The connected watcher whose host is the volume's home; nullptr when there is none.
  const Watcher* HomeOf(const std::string& volume) const {
    for (const auto& [host, watcher] : watchers) {
      if (!watcher.connected) continue;
      for (const VolumeReport& report : watcher.volumes) {
        if (report.volume == volume) return &watcher;
      }
    }
    return nullptr;
  }
};

// "" when the session's executor could run jobs of the pipeline (free slots apart), otherwise what
// it lacks: "label internet", "volume enriched".
std::string WhatIsMissing(const Session& session, const Pipeline& pipeline);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_FLEET_H_
