// File versions and what happens to them, as plain values.
#ifndef SERVICES_COORDINATOR_CORE_FILE_EVENT_H_
#define SERVICES_COORDINATOR_CORE_FILE_EVENT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace closewrite {

// What makes two finished files different.
struct FileVersion {
  std::string volume;
  std::string path;  // bytes, relative
  uint64_t inode = 0;
  int64_t size = 0;      // bytes
  int64_t mtime_ns = 0;  // since 1970; data, never a clock
  bool operator==(const FileVersion&) const = default;
};

// The same numbers as EventKind, Evidence and EventSource in file.proto.
enum class EventKind {
  kCloseWrite = 1,
  kMovedTo = 2,
  kCreate = 3,
  kDelete = 4,
  kMovedFrom = 5,
  kAttrib = 6,
};
enum class Evidence {
  kNone = 0,
  kClosed = 1,
  kMovedIn = 2,
  kLinked = 3,
  kFound = 4,
  kQuiet = 5,
  kUnchecked = 6,
};
enum class EventSource {
  kInotify = 1,
  kRescan = 2,
  kAudit = 3,
  kPoll = 4,
};

struct FileEvent {
  int64_t sequence = 0;  // the watcher's
  EventKind kind = EventKind::kCloseWrite;
  Evidence evidence = Evidence::kNone;
  EventSource source = EventSource::kInotify;
  FileVersion file;
  absl::Time observed_at = absl::InfinitePast();  // by the watcher's clock
  int64_t caused_by_job = 0;                      // whose result this version is; 0: of none
  bool operator==(const FileEvent&) const = default;
};

// An event as it is kept. The newest one of a path also tells what the file is now.
struct EventRecord {
  int64_t id = 0;  // rises
  std::string host;
  std::string ledger_id;  // sequences count within it
  FileEvent event;
  absl::Time received_at = absl::InfinitePast();
  bool operator==(const EventRecord&) const = default;
};

// True when the event says that the file's content is there.
inline bool IsFinished(const FileEvent& event) {
  return event.kind == EventKind::kCloseWrite || event.kind == EventKind::kMovedTo ||
         (event.kind == EventKind::kCreate && event.evidence != Evidence::kNone);
}
// True when the event, as the newest of its path, says so: an ATTRIB tells of a version that was
// finished before.
inline bool IsThere(const FileEvent& event) {
  return IsFinished(event) || event.kind == EventKind::kAttrib;
}
// True when the event says that the file is gone.
inline bool IsGone(const FileEvent& event) {
  return event.kind == EventKind::kDelete || event.kind == EventKind::kMovedFrom;
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_FILE_EVENT_H_
