// The thread that empties the kernel's queue.
#ifndef SERVICES_WATCHER_DRAIN_THREAD_H_
#define SERVICES_WATCHER_DRAIN_THREAD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/volume/file_system.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// Whether this process may give a thread a higher priority than the writers have (CAP_SYS_NICE).
bool MayRaisePriority();

// The kernel drops events once its own queue is full, so the thread does nothing but read and hand
// on, at a higher priority than the writers where that is permitted. After a wake-up it pauses for
// half a millisecond while events keep coming: every wake-up is paid for by the process that closes
// a file.
class DrainThread {
 public:
  // Called on the thread with what one read brought. Returns by how much that lowers what the
  // source says to FIONREAD: its bytes for inotify, less for fanotify.
  using Decode = std::function<int64_t(std::string_view bytes, DecodedEvents* decoded)>;

  // `source` is non-blocking and understands FIONREAD; it and `queue` must outlive the thread.
  DrainThread(int source, EventQueue* queue, Decode decode);
  ~DrainThread();

  // Why it can't be used; OK usually.
  absl::Status status() const;
  void Start();
  void Shutdown();

  // See WatchBackend.
  void Barrier(int64_t barrier);

 private:
  void Run();
  // Reads once. Returns what decode_ returned; 0 when there was nothing; -1 when reading is over.
  int64_t ReadOnce();
  void ServeBarriers();
  void Notify();

  const int source_;
  EventQueue* const queue_;
  const Decode decode_;
  Fd wake_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;
  std::vector<char> buffer_;
  absl::Mutex mutex_;
  std::vector<int64_t> barriers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_DRAIN_THREAD_H_
