// Which watched directory lies where.
#ifndef SERVICES_WATCHER_DIRECTORY_TREE_H_
#define SERVICES_WATCHER_DIRECTORY_TREE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace closewrite::watcher {

// Events name a watch, and a watch follows its inode wherever it is renamed to; so paths are never
// stored, they are put together from parents and names when they are asked for. Not thread-safe.
class DirectoryTree {
 public:
  // A watch descriptor (positive), or a negative number of the caller's for a directory that has
  // none.
  using Id = int;

  // Forgets all and starts with a root.
  void Reset(Id root);

  Id root() const { return root_; }
  size_t size() const { return nodes_.size(); }
  bool Contains(Id id) const { return nodes_.contains(id); }

  // Makes `id` the directory `name` in `parent`. If it stood elsewhere it moves, with all below it.
  // Returns those that stood at that name before, with all below them: they are no longer in the
  // tree. nullopt, and no change, when `parent` is unknown or lies below `id` itself: then what is
  // known is out of date.
  std::optional<std::vector<Id>> Place(Id parent, std::string_view name, Id id);

  // Takes a directory out of its parent but keeps it and what is below, to be placed again. Path()
  // knows none of them until then. nullopt when there is no such directory.
  std::optional<Id> Detach(Id parent, std::string_view name);

  // Forgets a directory and all below it. Returns them.
  std::vector<Id> Remove(Id id);

  std::optional<Id> Child(Id parent, std::string_view name) const;
  std::vector<std::string> ChildNames(Id parent) const;
  // By relative path; "" is the root.
  std::optional<Id> Find(std::string_view path) const;
  // Relative path; nullopt for one that is unknown or detached.
  std::optional<std::string> Path(Id id) const;

 private:
  static constexpr Id kNone = 0;

  struct Node {
    Id parent = kNone;
    std::string name;
    absl::flat_hash_map<std::string, Id> children;
  };

  bool IsBelow(Id id, Id ancestor) const;
  void Unlink(Id id);

  Id root_ = kNone;
  absl::flat_hash_map<Id, Node> nodes_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_DIRECTORY_TREE_H_
