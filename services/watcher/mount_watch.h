// Notices that something was mounted or unmounted.
#ifndef SERVICES_WATCHER_MOUNT_WATCH_H_
#define SERVICES_WATCHER_MOUNT_WATCH_H_

#include <atomic>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "services/volume/file_system.h"

namespace closewrite::watcher {

// No inotify event tells that another file system was mounted over a folder, nor that one was
// unmounted lazily; poll(2) on /proc/self/mountinfo does (proc(5): POLLPRI and POLLERR after each
// change).
class MountWatch {
 public:
  // `changed` is called from the thread of this object after every change.
  explicit MountWatch(std::function<void()> changed);
  ~MountWatch();

  // UNAVAILABLE where there is no /proc.
  absl::Status Start();
  void Shutdown();

 private:
  void Run();

  const std::function<void()> changed_;
  Fd mounts_;
  Fd wake_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_MOUNT_WATCH_H_
