// One inotify instance and the thread that drains it.
#ifndef SERVICES_WATCHER_INOTIFY_READER_H_
#define SERVICES_WATCHER_INOTIFY_READER_H_

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/volume/file_system.h"
#include "services/watcher/event_queue.h"

namespace closewrite::watcher {

// The kernel drops events once its own queue is full (fs.inotify.max_queued_events), so the thread
// does nothing but read and hand on, at a higher priority than the writers where that is permitted.
// After a wake-up it pauses for half a millisecond while events keep coming: every wake-up is paid
// for by the process that closes a file.
//
// Watch, Unwatch and Barrier may be called from any thread.
class InotifyReader {
 public:
  // RESOURCE_EXHAUSTED when the user has too many instances; the message names the limit.
  // `queue` must outlive the reader.
  static absl::StatusOr<std::unique_ptr<InotifyReader>> Create(EventQueue* queue);
  ~InotifyReader();

  void Start();
  // Ends the thread. May be called any number of times.
  void Shutdown();

  // Watches the directory that is open as `directory`. Returns the watch; the same one for a
  // directory that is watched already. RESOURCE_EXHAUSTED at the limit of watches; the message
  // names it.
  absl::StatusOr<int> Watch(int directory);
  void Unwatch(int watch);

  // Asks for a RawEvent with this barrier in the queue, behind everything that has happened before
  // this call.
  void Barrier(int64_t barrier);

 private:
  explicit InotifyReader(EventQueue* queue) : queue_(queue) {}

  void Run();
  // Reads once. Returns the bytes read; 0 when there was nothing; -1 when reading is over.
  int64_t ReadOnce();
  void ServeBarriers();
  void Notify();

  EventQueue* const queue_;
  Fd inotify_;
  Fd wake_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  std::vector<char> buffer_;
  absl::Mutex mutex_;
  std::vector<int64_t> barriers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_INOTIFY_READER_H_
