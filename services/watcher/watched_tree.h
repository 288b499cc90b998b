// The directories of a volume and their watches.
#ifndef SERVICES_WATCHER_WATCHED_TREE_H_
#define SERVICES_WATCHER_WATCHED_TREE_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/watcher/directory_tree.h"
#include "services/watcher/volume_root.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

inline constexpr size_t kUncoveredMax = 100'000;

// Where a watch lies is decided by what the kernel answers now (the same watch for the same inode),
// not by what events said: so an event that comes late can't put it into the wrong place. Not
// thread-safe.
class WatchedTree {
 public:
  // Watches the root. `root` and `backend` must outlive their use here.
  absl::Status Attach(const VolumeRoot* root, WatchBackend* backend);
  // Forgets everything; the watches end with their backend.
  void Detach();

  // Watches the directory and puts it in its place, with all that was known below it. Returns it
  // open for listing: one that can't be watched is still listed, and named in uncovered().
  // NOT_FOUND: it is gone, or its parent is not in the tree. FAILED_PRECONDITION: something else
  // than a directory of this file system. PERMISSION_DENIED and others: it can't be read. Of these
  // the last two are named in uncovered().
  absl::StatusOr<Fd> Enter(std::string_view path);

  // Forgets a directory and what is below it.
  void Leave(DirectoryTree::Id id);

  DirectoryTree& tree() { return tree_; }
  const DirectoryTree& tree() const { return tree_; }
  // Directories that have a watch.
  int64_t watched() const { return static_cast<int64_t>(tree_.size()) - placeholders_; }
  // Directories that are known and have none, because the limit of watches is reached.
  int64_t unwatched() const { return placeholders_; }

  // Directories whose events are not seen, with the reason; at most kUncoveredMax.
  const std::map<std::string, std::string>& uncovered() const { return uncovered_; }
  int64_t uncovered_more() const { return uncovered_more_; }
  // Those to be entered again, each with all below it; "" is the whole volume.
  std::vector<std::string> UncoveredToRetry();
  // Whether it lies in, or is, a directory that can't be read or that something is mounted over:
  // what is not seen there is not gone.
  bool Hidden(std::string_view path) const;

 private:
  absl::Status CheckMount(int directory) const;
  void Uncovered(std::string_view path, std::string_view why);
  void Hide(std::string_view path, std::string_view why);
  void Covered(std::string_view path);
  absl::Status Place(std::string_view path, DirectoryTree::Id id);

  const VolumeRoot* root_ = nullptr;
  WatchBackend* backend_ = nullptr;
  DirectoryTree tree_;
  int next_placeholder_ = -1;
  int64_t placeholders_ = 0;
  std::map<std::string, std::string> uncovered_;
  std::set<std::string> hidden_;
  int64_t uncovered_more_ = 0;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCHED_TREE_H_
