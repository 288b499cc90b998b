// Turns what the kernel tells into places to look at.
#ifndef SERVICES_WATCHER_EVENT_INTERPRETER_H_
#define SERVICES_WATCHER_EVENT_INTERPRETER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/volume/ignore_list.h"
#include "services/watcher/canary.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/file_judge.h"
#include "services/watcher/pending_files.h"
#include "services/watcher/scanner.h"
#include "services/watcher/watched_tree.h"

namespace closewrite::watcher {

// The two halves of a rename come together; after this long the directory has left the volume.
inline constexpr absl::Duration kRenamePairing = absl::Milliseconds(50);
// Renames of directories that may be half done at once; past that their watches are dropped.
inline constexpr size_t kRenamesMax = 4096;

// Events of one batch about the same file become one look at it. Events about directories change
// the tree at once, in order. Not thread-safe.
class EventInterpreter {
 public:
  struct Options {
    WatchedTree* tree;
    Scanner* scanner;
    FileJudge* judge;
    PendingFiles* pending;
    const IgnoreList* ignore;
    const Canary* canary;
  };
  struct Outcome {
    bool root_lost = false;  // removed, moved away or unmounted; the rest of the batch was dropped
    bool canary = false;     // its event was among them
    int64_t barrier = 0;     // the last barrier in the batch
  };

  explicit EventInterpreter(const Options& options) : options_(options) {}

  Outcome Interpret(const std::vector<RawEvent>& events, absl::Time now);
  // Gives up on second halves of renames that did not come.
  void Tick(absl::Time now);
  // When Tick is needed next; InfiniteFuture when it is not.
  absl::Time NextDue() const;
  void Clear();

 private:
  struct Touch {
    std::optional<Cause> finished;
    std::optional<ChangeKind> gone;
    bool created = false;
    bool attributes = false;
    bool modified = false;
  };
  struct HalfRename {
    DirectoryTree::Id id = 0;  // 0: had no watch
    std::string path;
    absl::Time due;
  };

  // False when the root is lost.
  bool AboutItself(const RawEvent& event);
  void AboutDirectory(const RawEvent& event, const std::string& path, absl::Time now);
  void AboutFile(const RawEvent& event, const std::string& path);
  void DirectoryCame(const RawEvent& event, const std::string& path);
  void DirectoryLeft(const RawEvent& event, const std::string& path, absl::Time now);
  void Resolve(const std::string& path, const Touch& touch, absl::Time now);
  void GiveUp(const HalfRename& half);
  // What is known below a directory that has left is gone.
  void Sweep(const std::string& path, ChangeKind gone);

  const Options options_;
  absl::flat_hash_map<std::string, Touch> touches_;
  std::vector<std::string> touched_;        // in the order of the first touch
  std::map<uint32_t, HalfRename> renames_;  // by cookie
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_EVENT_INTERPRETER_H_
