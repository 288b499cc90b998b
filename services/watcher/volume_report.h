// What a volume's engine says of itself.
#ifndef SERVICES_WATCHER_VOLUME_REPORT_H_
#define SERVICES_WATCHER_VOLUME_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// The same as VolumeState in closewrite/v1/observe.proto.
enum class EngineState : int { kLive = 1, kScanning = 2, kDegraded = 3, kLost = 4 };

// The same as VolumeStatus there.
struct VolumeReport {
  std::string name;
  std::string root;
  std::string marker;
  EngineState state = EngineState::kScanning;
  std::string message;
  bool read_only = false;
  BackendKind backend = BackendKind::kInotify;
  std::string file_system;
  int64_t watched_directories = 0;
  int64_t unwatched_directories = 0;
  int64_t overflows = 0;
  int64_t unacknowledged = 0;
  int64_t pending_files = 0;
  int64_t scans = 0;
  absl::Duration scan_duration;  // zero: none has ended
  int64_t audit_found = 0;
  absl::Time canary_seen_at = absl::InfinitePast();  // that: never
  int64_t canary_misses = 0;
  int64_t free_bytes = 0;  // of its file system
  int64_t total_bytes = 0;
  std::vector<std::string> ignore;  // globs, as it is configured
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_REPORT_H_
