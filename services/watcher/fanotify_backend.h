// fanotify: one mark for a whole file system.
#ifndef SERVICES_WATCHER_FANOTIFY_BACKEND_H_
#define SERVICES_WATCHER_FANOTIFY_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/volume/file_system.h"
#include "services/watcher/drain_thread.h"
#include "services/watcher/fanotify_decode.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// The kernel keeps nothing for a directory, so there is no limit of watches: a watch is a
// directory's file handle that this object remembers, and events of other directories of the file
// system are dropped at once. Handles hold the inode's generation, so a reused inode number is not
// taken for the directory that is gone.
class FanotifyBackend final : public WatchBackend {
 public:
  // `root` is open, perhaps with O_PATH, and only used here. PERMISSION_DENIED without
  // CAP_SYS_ADMIN; FAILED_PRECONDITION when the kernel (before 5.17) or the file system (overlayfs,
  // FUSE, a btrfs subvolume) can't; the messages say what to do. `queue` must outlive the backend.
  static absl::StatusOr<std::unique_ptr<WatchBackend>> Create(int root, EventQueue* queue);

  BackendKind kind() const override { return BackendKind::kFanotify; }
  void Start() override { drain_.Start(); }
  void Shutdown() override { drain_.Shutdown(); }
  absl::StatusOr<int> Watch(int directory) override;
  void Unwatch(int watch) override;
  void Barrier(int64_t barrier) override { drain_.Barrier(barrier); }
  absl::Status TellModifications(bool tell) override;

 private:
  FanotifyBackend(Fd fanotify, EventQueue* queue);

  absl::Status Mark(int root);
  int64_t Decode(std::string_view bytes, DecodedEvents* decoded);
  void Translate(const FanotifyEvent& event, DecodedEvents* decoded)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // 0 when it is not watched.
  int Find(std::string_view handle) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Fd fanotify_;
  Fd root_;
  absl::Mutex mutex_;
  int next_ ABSL_GUARDED_BY(mutex_) = 1;
  uint32_t next_cookie_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<std::string, int> watches_ ABSL_GUARDED_BY(mutex_);  // by handle
  absl::flat_hash_map<int, std::string> handles_ ABSL_GUARDED_BY(mutex_);
  DrainThread drain_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FANOTIFY_BACKEND_H_
