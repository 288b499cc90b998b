// A backend without a kernel's queue, for tests.
#ifndef SERVICES_WATCHER_FAKE_BACKEND_H_
#define SERVICES_WATCHER_FAKE_BACKEND_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/volume/file_system.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// Compares the watched directories with what they were, at each barrier and at nothing else; so a
// test decides when events come, and all that happened in between comes at once. What the kernel
// would have told of names that came and went in between is not told: as after a merge of events.
class FakeBackend final : public WatchBackend {
 public:
  explicit FakeBackend(EventQueue* queue) : queue_(queue) {}

  BackendKind kind() const override { return BackendKind::kInotify; }
  void Start() override {}
  void Shutdown() override {}
  absl::StatusOr<int> Watch(int directory) override;
  void Unwatch(int watch) override;
  void Barrier(int64_t barrier) override;
  absl::Status TellModifications(bool tell) override;

 private:
  struct Entry {
    std::pair<uint64_t, int64_t> identity;  // inode and birth, for inode numbers are used again
    uint32_t mode = 0;
    uint64_t links = 0;
    int64_t size = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;
  };
  using Listing = std::map<std::string, Entry>;
  struct Directory {
    Fd fd;
    std::string path;
    bool gone = false;
    Listing listing;
  };
  struct Name {
    int watch = 0;
    std::string name;
    Entry entry;
  };
  // What one look found, before renames are put together.
  struct Difference {
    std::vector<RawEvent> events;
    std::vector<Name> removed;
    std::vector<Name> added;
  };

  static Listing List(int directory);
  static std::string PathOf(int directory);
  void Compare(int watch, Directory* directory, Difference* difference)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Added(const Name& name, std::vector<RawEvent>* events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // CLOSE_WRITE, unless somebody still writes: then at the barrier at which nobody does.
  void Closed(int watch, const std::string& name, std::vector<RawEvent>* events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<RawEvent> Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventQueue* const queue_;
  absl::Mutex mutex_;
  int next_ ABSL_GUARDED_BY(mutex_) = 1;
  uint32_t next_cookie_ ABSL_GUARDED_BY(mutex_) = 1;
  bool modifications_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<int, Directory> directories_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, int> watches_ ABSL_GUARDED_BY(mutex_);  // by inode; one file system
  std::set<std::pair<int, std::string>> written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FAKE_BACKEND_H_
