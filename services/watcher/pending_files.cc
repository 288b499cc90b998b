#include "services/watcher/pending_files.h"

#include <algorithm>

namespace closewrite::watcher {

bool PendingFiles::Put(PendingFile file) {
  Erase(file.path);
  if (files_.size() >= kPendingFilesMax) return false;
  if (file.order == 0) file.order = next_order_++;
  if (file.barrier != 0) {
    by_barrier_.emplace(file.barrier, file.path);
  } else {
    by_due_.emplace(file.due, file.path);
  }
  if (IsWaitedFor(file)) short_orders_.insert(file.order);
  std::string path = file.path;
  files_.emplace(std::move(path), std::move(file));
  return true;
}

// Others have a writer, perhaps for hours. A polled file may have one too, but only time can tell.
bool PendingFiles::IsWaitedFor(const PendingFile& file) {
  if (file.reason == PendingReason::kQuiet) return file.cause.source == ChangeSource::kPoll;
  return file.reason != PendingReason::kWritten;
}

PendingFile PendingFiles::TakeOut(const std::string& path) {
  const auto entry = files_.find(std::string(path));
  PendingFile file = std::move(entry->second);
  files_.erase(entry);
  if (file.barrier != 0) {
    by_barrier_.erase({file.barrier, file.path});
  } else {
    by_due_.erase({file.due, file.path});
  }
  short_orders_.erase(file.order);
  return file;
}

bool PendingFiles::Written(std::string_view path, const Cause& cause, absl::Time now,
                           absl::Duration backoff_before) {
  PendingFile file;
  file.path = std::string(path);
  file.reason = PendingReason::kWritten;
  file.cause = cause;
  file.backoff = std::clamp(backoff_before * 2, kWrittenRetryMin, kWrittenRetryMax);
  file.due = now + file.backoff;
  return Put(std::move(file));
}

bool PendingFiles::Defer(std::string_view path, PendingReason reason, absl::Time due) {
  const auto entry = files_.find(std::string(path));
  if (entry != files_.end() && entry->second.reason == reason && entry->second.barrier == 0) {
    return true;
  }
  PendingFile file;
  file.path = std::string(path);
  file.reason = reason;
  file.cause = kCausedByLink;
  file.due = due;
  return Put(std::move(file));
}

bool PendingFiles::Quiet(std::string_view path, const Cause& cause, const ContentVersion& version,
                         int looks, absl::Time due) {
  PendingFile file;
  file.path = std::string(path);
  file.reason = PendingReason::kQuiet;
  file.cause = cause;
  file.version = version;
  file.looks_left = looks;
  file.due = due;
  return Put(std::move(file));
}

bool PendingFiles::Again(PendingFile file, absl::Time due) {
  file.due = due;
  file.barrier = 0;
  return Put(std::move(file));
}

bool PendingFiles::Confirm(PendingFile file, const ContentVersion& version, int64_t barrier) {
  file.version = version;
  file.barrier = barrier;
  return Put(std::move(file));
}

void PendingFiles::Erase(std::string_view path) {
  const auto entry = files_.find(std::string(path));
  if (entry != files_.end()) TakeOut(std::string(path));
}

void PendingFiles::Clear() {
  files_.clear();
  by_due_.clear();
  by_barrier_.clear();
  short_orders_.clear();
}

std::vector<PendingFile> PendingFiles::TakeDue(absl::Time now, size_t files_max) {
  std::vector<PendingFile> due;
  while (due.size() < files_max && !by_due_.empty() && by_due_.begin()->first <= now) {
    due.push_back(TakeOut(std::string(by_due_.begin()->second)));
  }
  return due;
}

std::vector<PendingFile> PendingFiles::TakeWritten() {
  std::vector<std::string> paths;
  for (const auto& [path, file] : files_) {
    if (!IsWaitedFor(file) && file.barrier == 0) paths.push_back(path);
  }
  std::vector<PendingFile> written;
  for (const std::string& path : paths) written.push_back(TakeOut(path));
  return written;
}

const PendingFile* PendingFiles::Find(std::string_view path) const {
  const auto entry = files_.find(std::string(path));
  return entry == files_.end() ? nullptr : &entry->second;
}

Cause PendingFiles::CauseOf(std::string_view path, const Cause& cause) const {
  const PendingFile* const waiting = Find(path);
  return waiting != nullptr && waiting->cause.kind == ChangeKind::kMovedTo ? waiting->cause : cause;
}

std::vector<PendingFile> PendingFiles::TakeConfirmed(int64_t barrier) {
  std::vector<PendingFile> confirmed;
  while (!by_barrier_.empty() && by_barrier_.begin()->first <= barrier) {
    confirmed.push_back(TakeOut(std::string(by_barrier_.begin()->second)));
    confirmed.back().barrier = 0;
  }
  return confirmed;
}

absl::Time PendingFiles::NextDue() const {
  return by_due_.empty() ? absl::InfiniteFuture() : by_due_.begin()->first;
}

bool PendingFiles::Waits(std::string_view path, PendingReason reason) const {
  const auto entry = files_.find(std::string(path));
  return entry != files_.end() && entry->second.reason == reason;
}

bool PendingFiles::AnyBefore(int64_t order) const {
  return !short_orders_.empty() && *short_orders_.begin() < order;
}

}  // namespace closewrite::watcher
