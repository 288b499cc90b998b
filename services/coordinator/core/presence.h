// Who is there, as it is kept in the store: executors' sessions, watchers. With
// several coordinators this is how each knows of what attends the others. Plain values.
#ifndef SERVICES_COORDINATOR_CORE_PRESENCE_H_
#define SERVICES_COORDINATOR_CORE_PRESENCE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"

namespace closewrite {

// One run of one coordinator: 32 hexadecimal digits, random.
using CoordinatorId = std::string;

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
  bool operator==(const ExecutorHello&) const = default;
};

// What an executor finds out about its own host, as it says with its heartbeats.
struct HostFindings {
  std::map<std::string, std::string> unusable_volumes;  // why, in a sentence, by name
  // How far its clock is ahead of the store's, less the time that the message took.
  std::optional<absl::Duration> clock_ahead;
  bool operator==(const HostFindings&) const = default;
};

// An executor's presence. The leases of a session are the RUNNING jobs that name it.
struct SessionRecord {
  SessionId id;
  ExecutorHello executor;
  CoordinatorId coordinator;   // that has its stream; "": its stream is broken
  bool draining = false;       // it is given nothing more
  bool told_to_drain = false;  // by somebody; implies `draining`
  HostFindings findings;       // of a store that is not shared, as they were when it was written
  absl::Time heartbeat_at = absl::InfinitePast();
  absl::Time expires_at = absl::InfinitePast();
  bool operator==(const SessionRecord&) const = default;

  bool connected() const { return !coordinator.empty(); }
  // It runs nothing: the session of a program that asks for locks.
  bool is_program() const { return executor.slots == 0; }
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
  bool operator==(const VolumeReport&) const = default;
};

// A watcher. Its host names it; its ledger tells one watcher that came again from two watchers that
// call themselves by one name.
struct Watcher {
  std::string host;
  std::string ledger_id;      // 16 bytes
  int64_t stream = 0;         // number of its newest stream: what comes on others does not count
  CoordinatorId coordinator;  // that has it; "": it is broken
  std::string version;
  std::string address;
  absl::Time heartbeat_at = absl::InfinitePast();
  absl::Time expires_at = absl::InfinitePast();
  std::vector<VolumeReport> volumes;
  bool operator==(const Watcher&) const = default;

  bool connected() const { return !coordinator.empty(); }
};

// A stream of a watcher.
struct WatcherStream {
  std::string host;
  std::string ledger_id;
  int64_t number = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_PRESENCE_H_
