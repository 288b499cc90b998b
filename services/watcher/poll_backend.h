// No events at all, for file systems that other hosts write to.
#ifndef SERVICES_WATCHER_POLL_BACKEND_H_
#define SERVICES_WATCHER_POLL_BACKEND_H_

#include <cstdint>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// Only gives directories their numbers; the engine scans the volume again and again.
class PollBackend final : public WatchBackend {
 public:
  explicit PollBackend(EventQueue* queue) : queue_(queue) {}

  BackendKind kind() const override { return BackendKind::kPoll; }
  void Start() override {}
  void Shutdown() override {}
  absl::StatusOr<int> Watch(int directory) override;
  void Unwatch(int watch) override;
  void Barrier(int64_t barrier) override;
  absl::Status TellModifications(bool) override { return absl::OkStatus(); }

 private:
  using Inode = std::pair<uint64_t, uint64_t>;  // device, number

  EventQueue* const queue_;
  absl::Mutex mutex_;
  int next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<Inode, int> watches_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Inode> inodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_POLL_BACKEND_H_
