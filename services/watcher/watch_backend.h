// By what a volume's events are noticed.
#ifndef SERVICES_WATCHER_WATCH_BACKEND_H_
#define SERVICES_WATCHER_WATCH_BACKEND_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/watcher/event_queue.h"

namespace closewrite::watcher {

// The same numbers as WatchBackend in closewrite/v1/observe.proto.
enum class BackendKind : int { kAuto = 1, kInotify = 2, kFanotify = 3, kPoll = 4 };

// Tells of directories that it was asked to watch, into an EventQueue, in inotify's words
// (RawEvent). An event about a name in a directory is told if the directory was watched when it
// happened; one that came before may be told too. That is all that the engine relies on: it watches
// a directory before it lists it.
//
// Start once; Shutdown any number of times; the other calls from any thread.
class WatchBackend {
 public:
  virtual ~WatchBackend() = default;

  virtual BackendKind kind() const = 0;
  virtual void Start() = 0;
  virtual void Shutdown() = 0;

  // Watches the directory that is open as `directory`. Returns its watch, over 0; the same one for
  // a directory that is watched already, under whatever name. RESOURCE_EXHAUSTED at the limit of
  // watches; the message names it.
  virtual absl::StatusOr<int> Watch(int directory) = 0;
  virtual void Unwatch(int watch) = 0;

  // Asks for a RawEvent with this barrier in the queue, behind everything that has happened before
  // this call.
  virtual void Barrier(int64_t barrier) = 0;

  // Whether IN_MODIFY is told too. Holds for what is watched (again) from now on.
  virtual absl::Status TellModifications(bool tell) = 0;
};

// A list of the kernel's events in inotify's words.
struct DecodedEvents {
  std::vector<RawEvent> events;
  bool overflowed = false;  // the kernel has dropped events
  bool unnamed = false;     // a file changed that the kernel has no name for
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCH_BACKEND_H_
