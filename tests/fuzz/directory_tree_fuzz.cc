// DirectoryTree against a list of (id, parent, name) that is searched from the start.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/watcher/directory_tree.h"
#include "tests/fuzz/require.h"

namespace closewrite::watcher {
namespace {

using Id = DirectoryTree::Id;

constexpr int kIdMax = 12;
constexpr const char* kNames[] = {"a", "b", "c"};

class Model {
 public:
  explicit Model(Id root) : root_(root) { places_[root]; }

  bool Contains(Id id) const { return places_.contains(id); }
  size_t size() const { return places_.size(); }

  std::optional<Id> Child(Id parent, std::string_view name) const {
    for (const auto& [id, place] : places_) {
      if (place.has_value() && place->parent == parent && place->name == name) return id;
    }
    return std::nullopt;
  }

  std::vector<std::string> ChildNames(Id parent) const {
    std::vector<std::string> names;
    for (const auto& [id, place] : places_) {
      if (place.has_value() && place->parent == parent) names.push_back(place->name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  bool IsOrLiesBelow(Id id, Id ancestor) const {
    if (id == ancestor) return true;
    const std::optional<Place>& place = places_.at(id);
    return place.has_value() && IsOrLiesBelow(place->parent, ancestor);
  }

  std::optional<std::string> Path(Id id) const {
    if (id == root_) return "";
    if (!Contains(id) || !places_.at(id).has_value()) return std::nullopt;
    const Place& place = *places_.at(id);
    const std::optional<std::string> parent = Path(place.parent);
    if (!parent.has_value()) return std::nullopt;
    return parent->empty() ? place.name : *parent + "/" + place.name;
  }

  std::optional<std::vector<Id>> Put(Id parent, std::string_view name, Id id) {
    if (id == root_ || !Contains(parent)) return std::nullopt;
    if (Contains(id) && IsOrLiesBelow(parent, id)) return std::nullopt;
    const std::optional<Id> before = Child(parent, name);
    std::vector<Id> displaced;
    if (before == id) return displaced;
    if (Contains(id)) places_[id].reset();
    if (before.has_value()) displaced = Remove(*before);
    places_[id] = Place{parent, std::string(name)};
    return displaced;
  }

  std::optional<Id> Detach(Id parent, std::string_view name) {
    const std::optional<Id> id = Child(parent, name);
    if (id.has_value()) places_[*id].reset();
    return id;
  }

  // In rising order.
  std::vector<Id> Remove(Id id) {
    std::vector<Id> removed;
    if (!Contains(id)) return removed;
    for (const auto& [each, place] : places_) {
      if (IsOrLiesBelow(each, id)) removed.push_back(each);
    }
    for (const Id each : removed) places_.erase(each);
    return removed;
  }

 private:
  struct Place {
    Id parent;
    std::string name;
  };

  const Id root_;
  std::map<Id, std::optional<Place>> places_;  // nullopt: the root, or detached
};

void CheckSame(const DirectoryTree& tree, const Model& model) {
  Require(tree.size() == model.size(), "as many directories");
  for (Id id = -2; id <= kIdMax; ++id) {
    Require(tree.Contains(id) == model.Contains(id), "the same directories");
    if (id == 0) continue;
    const std::optional<std::string> path = tree.Path(id);
    Require(path == model.Path(id), "the same paths");
    if (path.has_value()) Require(tree.Find(*path) == id, "a directory is found by its path");
    std::vector<std::string> names = tree.ChildNames(id);
    std::sort(names.begin(), names.end());
    Require(names == model.ChildNames(id), "the same children");
    for (const char* name : kNames) {
      Require(tree.Child(id, name) == model.Child(id, name), "the same child of a name");
    }
  }
}

std::vector<Id> Sorted(std::vector<Id> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace
}  // namespace closewrite::watcher

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using closewrite::Require;
  using closewrite::watcher::Id;
  FuzzedDataProvider input(data, size);
  closewrite::watcher::DirectoryTree tree;
  tree.Reset(1);
  closewrite::watcher::Model model(1);
  while (input.remaining_bytes() > 0) {
    const Id parent = input.ConsumeIntegralInRange<Id>(-2, closewrite::watcher::kIdMax);
    const char* const name = input.PickValueInArray(closewrite::watcher::kNames);
    Id id = input.ConsumeIntegralInRange<Id>(-2, closewrite::watcher::kIdMax);
    if (id == 0) id = 1;  // no directory's
    switch (input.ConsumeIntegralInRange(0, 5)) {
      case 0:
        Require(tree.Detach(parent, name) == model.Detach(parent, name), "the same is detached");
        break;
      case 1:
        // The engine never removes the root of a volume that it watches.
        if (id == tree.root()) break;
        Require(closewrite::watcher::Sorted(tree.Remove(id)) == model.Remove(id),
                "the same are removed");
        break;
      default: {
        const auto placed = tree.Place(parent, name, id);
        const auto expected = model.Put(parent, name, id);
        Require(placed.has_value() == expected.has_value(), "both can be placed, or none");
        if (placed.has_value()) {
          Require(closewrite::watcher::Sorted(*placed) == *expected, "the same are displaced");
        }
      }
    }
    closewrite::watcher::CheckSame(tree, model);
  }
  return 0;
}
