#include "tests/simulation/volume_model.h"

#include <utility>

namespace closewrite::simulation {

FileVersion VolumeModel::NewVersion(const std::string& path, uint64_t inode) {
  // The last digits keep two versions of one moment apart.
  constexpr int64_t kDigits = 1000;
  const int64_t now = absl::ToUnixNanos(world_.time() + skew_);
  ++versions_;
  return {.volume = name_,
          .path = path,
          .inode = inode,
          .size = world_.random().Between(1, 50),
          .mtime_ns = now - now % kDigits + versions_ % kDigits};
}

const VolumeModel::File* VolumeModel::Find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

void VolumeModel::BeginWrite(const std::string& path) {
  File& file = files_[path];
  const uint64_t inode = file.version.inode == 0 ? ++inodes_ : file.version.inode;
  file = {NewVersion(path, inode), true, world_.now()};
}

void VolumeModel::EndWrite(const std::string& path) {
  const auto found = files_.find(path);
  // Removed, or replaced, while it was written.
  if (found == files_.end() || !found->second.open) return;
  found->second = {NewVersion(path, found->second.version.inode), false, world_.now()};
  Tell(path, FileChange::kClosed);
}

void VolumeModel::MoveIn(const std::string& path) {
  files_[path] = {NewVersion(path, ++inodes_), false, world_.now()};
  Tell(path, FileChange::kMovedIn);
}

void VolumeModel::Remove(const std::string& path) {
  if (files_.erase(path) > 0) Tell(path, FileChange::kRemoved);
}

void VolumeModel::SetTimes(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end() || found->second.open) return;
  File& file = found->second;
  const int64_t size = file.version.size;
  file = {NewVersion(path, file.version.inode), false, world_.now()};
  file.version.size = size;
  Tell(path, FileChange::kTimesSet);
}

void VolumeModel::Stage(const Lease& lease, const std::string& path) {
  Staging& staging = staging_[lease];
  staging.paths[path] = true;
  staging.touched_at = world_.now();
}

bool VolumeModel::IsStaged(const Lease& lease, const std::string& path) const {
  const auto found = staging_.find(lease);
  return found != staging_.end() && found->second.paths.contains(path);
}

void VolumeModel::RemoveStaging(const Lease& lease) { staging_.erase(lease); }

std::vector<Lease> VolumeModel::StagedBefore(absl::Duration before) const {
  std::vector<Lease> leases;
  for (const auto& [lease, staging] : staging_) {
    if (staging.touched_at < before) leases.push_back(lease);
  }
  return leases;
}

void VolumeModel::Publish(const Lease& lease, const std::string& path) {
  const File* const before = Find(path);
  unsynced_.push_back(
      {lease, path, before == nullptr ? std::nullopt : std::optional<File>(*before)});
  const auto staged = staging_.find(lease);
  if (staged != staging_.end()) staged->second.paths.erase(path);
  MoveIn(path);
  published_[path] = lease;
}

void VolumeModel::CutPower(const std::function<void(const Lease&, const std::string&)>& undone) {
  while (!unsynced_.empty() && world_.random().Chance(0.7)) {
    Rename rename = std::move(unsynced_.back());
    unsynced_.pop_back();
    if (rename.before.has_value()) {
      files_[rename.path] = *rename.before;
    } else {
      files_.erase(rename.path);
    }
    Stage(rename.lease, rename.path);
    published_.erase(rename.path);
    undone(rename.lease, rename.path);
  }
  unsynced_.clear();
  listener_ = nullptr;
}

}  // namespace closewrite::simulation
