#include "services/watcher/watched_tree.h"

#include <fcntl.h>

#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {

absl::Status WatchedTree::Attach(const VolumeRoot* root, WatchBackend* backend) {
  Detach();
  root_ = root;
  backend_ = backend;
  const absl::StatusOr<Fd> directory = OpenBeneath(root->fd(), "", O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  const absl::StatusOr<int> watch = backend->Watch(directory->get());
  if (!watch.ok()) return watch.status();
  tree_.Reset(*watch);
  return absl::OkStatus();
}

void WatchedTree::Detach() {
  tree_ = DirectoryTree();
  placeholders_ = 0;
  uncovered_.clear();
  uncovered_more_ = 0;
  hidden_.clear();
}

absl::Status WatchedTree::CheckMount(int directory) const {
  const absl::StatusOr<MountIdentity> identity = IdentifyMount(directory);
  if (!identity.ok()) return identity.status();
  if (identity->device == root_->identity().device && identity->mount == root_->identity().mount) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "another file system is mounted there; make it a volume of its own");
}

absl::StatusOr<Fd> WatchedTree::Enter(std::string_view path) {
  absl::StatusOr<Fd> directory =
      OpenBeneath(root_->fd(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  if (absl::IsNotFound(directory.status()) || absl::IsFailedPrecondition(directory.status())) {
    Covered(path);
    return directory.status();
  }
  if (!directory.ok()) {
    Hide(path, ToStd(directory.status().message()));
    return directory.status();
  }
  if (const absl::Status mount = CheckMount(directory->get()); !mount.ok()) {
    Hide(path, ToStd(mount.message()));
    return mount;
  }
  const absl::StatusOr<int> watch = backend_->Watch(directory->get());
  if (!watch.ok()) {
    if (!hidden_.empty()) hidden_.erase(std::string(path));
    Uncovered(path, ToStd(watch.status().message()));
    if (!path.empty() && !tree_.Find(path).has_value()) {
      const absl::Status placed = Place(path, next_placeholder_);
      if (!placed.ok()) return placed;
      --next_placeholder_;
      ++placeholders_;
    }
    return directory;
  }
  Covered(path);
  if (!path.empty()) {
    const absl::Status placed = Place(path, *watch);
    if (!placed.ok()) return placed;
  }
  return directory;
}

void WatchedTree::Covered(std::string_view path) {
  if (!uncovered_.empty()) uncovered_.erase(std::string(path));
  if (!hidden_.empty()) hidden_.erase(std::string(path));
}

absl::Status WatchedTree::Place(std::string_view path, DirectoryTree::Id id) {
  const std::optional<DirectoryTree::Id> parent = tree_.Find(DirName(path));
  std::optional<std::vector<DirectoryTree::Id>> displaced;
  if (parent.has_value()) displaced = tree_.Place(*parent, BaseName(path), id);
  if (!displaced.has_value()) {
    // What is known of its parents is out of date; the events that tell are on their way.
    if (id > 0 && !tree_.Contains(id)) backend_->Unwatch(id);
    return absl::NotFoundError(StrCat(Display(path), " was moved meanwhile"));
  }
  for (const DirectoryTree::Id gone : *displaced) {
    gone > 0 ? backend_->Unwatch(gone) : static_cast<void>(--placeholders_);
  }
  return absl::OkStatus();
}

void WatchedTree::Leave(DirectoryTree::Id id) {
  for (const DirectoryTree::Id gone : tree_.Remove(id)) {
    gone > 0 ? backend_->Unwatch(gone) : static_cast<void>(--placeholders_);
  }
}

void WatchedTree::Hide(std::string_view path, std::string_view why) {
  Uncovered(path, why);
  if (hidden_.size() < kUncoveredMax) hidden_.insert(std::string(path));
  // Its watch is of the directory below a mount: what happens there has no path any more.
  const std::optional<DirectoryTree::Id> id = tree_.Find(path);
  if (id.has_value() && !path.empty()) Leave(*id);
}

bool WatchedTree::Hidden(std::string_view path) const {
  if (hidden_.empty()) return false;
  while (true) {
    if (hidden_.contains(std::string(path))) return true;
    if (path.empty()) return false;
    path = DirName(path);
  }
}

void WatchedTree::Uncovered(std::string_view path, std::string_view why) {
  if (uncovered_.size() >= kUncoveredMax && !uncovered_.contains(std::string(path))) {
    ++uncovered_more_;
    return;
  }
  uncovered_[std::string(path)] = std::string(why);
}

std::vector<std::string> WatchedTree::UncoveredToRetry() {
  std::vector<std::string> paths;
  for (const auto& [path, why] : uncovered_) {
    // In byte order a directory comes before what lies below it, though not always at once.
    std::string_view above = DirName(path);
    while (!above.empty() && !uncovered_.contains(std::string(above))) above = DirName(above);
    if (above.empty()) paths.push_back(path);
  }
  // More than were remembered: only a walk over everything finds them.
  if (std::exchange(uncovered_more_, 0) > 0) paths = {""};
  return paths;
}

}  // namespace closewrite::watcher
