#include "services/watcher/poll_backend.h"

#include <errno.h>
#include <sys/stat.h>

#include "services/volume/file_system.h"

namespace closewrite::watcher {

absl::StatusOr<int> PollBackend::Watch(int directory) {
  struct stat st;
  if (fstat(directory, &st) != 0) return ErrnoStatus(errno, "stat", "a directory");
  const Inode inode(st.st_dev, st.st_ino);
  absl::MutexLock lock(&mutex_);
  const auto [entry, added] = watches_.try_emplace(inode, next_);
  if (added) inodes_[next_++] = inode;
  return entry->second;
}

void PollBackend::Unwatch(int watch) {
  absl::MutexLock lock(&mutex_);
  const auto entry = inodes_.find(watch);
  if (entry == inodes_.end()) return;
  watches_.erase(entry->second);
  inodes_.erase(entry);
}

void PollBackend::Barrier(int64_t barrier) {
  RawEvent mark;
  mark.barrier = barrier;
  queue_->Push({mark});
}

}  // namespace closewrite::watcher
