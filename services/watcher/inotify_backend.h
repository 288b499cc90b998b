// inotify: one watch a directory.
#ifndef SERVICES_WATCHER_INOTIFY_BACKEND_H_
#define SERVICES_WATCHER_INOTIFY_BACKEND_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/volume/file_system.h"
#include "services/watcher/drain_thread.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// Watches follow the inode of their directory wherever it is renamed to.
class InotifyBackend final : public WatchBackend {
 public:
  // RESOURCE_EXHAUSTED when the user has too many instances; the message names the limit.
  // `queue` must outlive the backend.
  static absl::StatusOr<std::unique_ptr<WatchBackend>> Create(EventQueue* queue);

  BackendKind kind() const override { return BackendKind::kInotify; }
  void Start() override { drain_.Start(); }
  void Shutdown() override { drain_.Shutdown(); }
  absl::StatusOr<int> Watch(int directory) override;
  void Unwatch(int watch) override;
  void Barrier(int64_t barrier) override { drain_.Barrier(barrier); }
  absl::Status TellModifications(bool tell) override;

 private:
  InotifyBackend(Fd inotify, EventQueue* queue);

  const Fd inotify_;
  std::atomic<bool> modifications_ = false;
  DrainThread drain_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_INOTIFY_BACKEND_H_
