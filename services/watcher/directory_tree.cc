#include "services/watcher/directory_tree.h"

#include <algorithm>

namespace closewrite::watcher {

void DirectoryTree::Reset(Id root) {
  nodes_.clear();
  root_ = root;
  nodes_[root];
}

bool DirectoryTree::IsBelow(Id id, Id ancestor) const {
  while (id != kNone) {
    if (id == ancestor) return true;
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) return false;
    id = node->second.parent;
  }
  return false;
}

void DirectoryTree::Unlink(Id id) {
  Node& node = nodes_.at(id);
  if (node.parent == kNone) return;
  nodes_.at(node.parent).children.erase(node.name);
  node.parent = kNone;
}

std::optional<std::vector<DirectoryTree::Id>> DirectoryTree::Place(Id parent, std::string_view name,
                                                                   Id id) {
  if (id == root_ || !nodes_.contains(parent) || IsBelow(parent, id)) return std::nullopt;
  std::vector<Id> displaced;
  if (const std::optional<Id> before = Child(parent, name); before.has_value()) {
    if (*before == id) return displaced;
    if (nodes_.contains(id)) Unlink(id);  // it may lie below the one that is displaced
    displaced = Remove(*before);
  } else if (nodes_.contains(id)) {
    Unlink(id);
  }
  Node& node = nodes_[id];
  node.parent = parent;
  node.name = std::string(name);
  nodes_.at(parent).children[node.name] = id;
  return displaced;
}

std::optional<DirectoryTree::Id> DirectoryTree::Detach(Id parent, std::string_view name) {
  const std::optional<Id> id = Child(parent, name);
  if (id.has_value()) Unlink(*id);
  return id;
}

std::vector<DirectoryTree::Id> DirectoryTree::Remove(Id id) {
  if (!nodes_.contains(id)) return {};
  Unlink(id);
  std::vector<Id> removed = {id};
  for (size_t i = 0; i < removed.size(); ++i) {
    const auto node = nodes_.find(removed[i]);
    for (const auto& [name, child] : node->second.children) removed.push_back(child);
    nodes_.erase(node);
  }
  return removed;
}

std::optional<DirectoryTree::Id> DirectoryTree::Child(Id parent, std::string_view name) const {
  const auto node = nodes_.find(parent);
  if (node == nodes_.end()) return std::nullopt;
  const auto child = node->second.children.find(std::string(name));
  if (child == node->second.children.end()) return std::nullopt;
  return child->second;
}

std::vector<std::string> DirectoryTree::ChildNames(Id parent) const {
  std::vector<std::string> names;
  const auto node = nodes_.find(parent);
  if (node == nodes_.end()) return names;
  for (const auto& [name, child] : node->second.children) names.push_back(name);
  return names;
}

std::optional<DirectoryTree::Id> DirectoryTree::Find(std::string_view path) const {
  std::optional<Id> id = root_;
  while (!path.empty() && id.has_value()) {
    const size_t slash = path.find('/');
    id = Child(*id, path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return id;
}

std::optional<std::string> DirectoryTree::Path(Id id) const {
  std::vector<std::string_view> names;
  while (id != root_) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end() || node->second.parent == kNone) return std::nullopt;
    names.push_back(node->second.name);
    id = node->second.parent;
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!path.empty()) path += '/';
    path += *name;
  }
  return path;
}

}  // namespace closewrite::watcher
