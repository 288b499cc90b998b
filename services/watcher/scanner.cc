#include "services/watcher/scanner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

bool WholeVolume(const ScanRequest& request) {
  return request.directory.empty() && !request.only_gone.has_value();
}

}  // namespace

void Scanner::Enqueue(ScanRequest request) {
  ++requested_;
  if (requests_.size() >= kScanRequestsMax) {
    // One walk over everything stands for all of them.
    finished_ += static_cast<int64_t>(requests_.size());
    requests_.clear();
    scanning_all_ = active_.has_value() && WholeVolume(active_->request) ? 1 : 0;
    request = ScanRequest();
  }
  if (WholeVolume(request)) ++scanning_all_;
  requests_.push_back(std::move(request));
}

void Scanner::EnqueueAll() {
  const int active = active_.has_value() && WholeVolume(active_->request) ? 1 : 0;
  if (scanning_all_ == active) return Enqueue(ScanRequest());
  // One is queued. Those behind it are served sooner by it than in their turn, so it may stay.
}

void Scanner::Clear() {
  finished_ = requested_;
  requests_.clear();
  active_.reset();
  scanning_all_ = 0;
}

void Scanner::Finish() {
  if (WholeVolume(active_->request)) --scanning_all_;
  active_.reset();
  ++finished_;
}

absl::Status Scanner::Step(absl::Time now) {
  if (!active_.has_value()) {
    if (requests_.empty()) return absl::OkStatus();
    active_.emplace();
    active_->request = std::move(requests_.front());
    requests_.pop_front();
    if (!active_->request.only_gone.has_value()) {
      active_->directories.push_back(active_->request.directory);
    }
  }
  if (!active_->directories.empty()) {
    std::string path = std::move(active_->directories.back());
    active_->directories.pop_back();
    absl::Status walked = Walk(std::move(path), now);
    if (!walked.ok()) Finish();
    return walked;
  }
  if (!active_->checked) {
    active_->checked = true;
    if (absl::Status right = options_.check_volume(); !right.ok()) {
      Finish();
      return right;
    }
    for (const std::string& path : active_->missing) {
      options_.judge->ConsiderGone(path, ChangeKind::kDelete, ChangeSource::kRescan, now);
    }
  }
  const absl::StatusOr<bool> more = SweepNext(now);
  if (!more.ok() || !*more) Finish();
  return more.status();
}

absl::Status Scanner::Walk(std::string path, absl::Time now) {
  absl::StatusOr<Fd> directory = options_.tree->Enter(path);
  // Gone, or named as uncovered by the tree.
  if (!directory.ok()) return absl::OkStatus();
  absl::StatusOr<std::vector<Entry>> entries = List(*std::move(directory), path);
  // It was removed while it was listed, or the disk is failing; another scan will see.
  if (!entries.ok()) return absl::OkStatus();
  std::vector<std::string> files;
  std::vector<std::string> directories;
  for (Entry& entry : *entries) {
    const std::string child = Join(path, entry.name);
    if (child.size() > kPathBytesMax) continue;
    if (entry.type == DT_DIR) {
      if (!options_.ignore->IgnoresDirectory(child)) directories.push_back(std::move(entry.name));
    } else if (entry.type == DT_REG && !options_.ignore->IgnoresFile(child)) {
      files.push_back(std::move(entry.name));
    }
  }
  ForgetChildren(path, directories);
  for (const std::string& name : directories) active_->directories.push_back(Join(path, name));
  return Compare(path, files, now);
}

absl::StatusOr<std::vector<Scanner::Entry>> Scanner::List(Fd directory,
                                                          std::string_view path) const {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(directory.get()), closedir);
  if (stream == nullptr) return ErrnoStatus(errno, "list", path);
  const int fd = directory.Release();
  std::vector<Entry> entries;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat st;
    if (type == DT_UNKNOWN && fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
      type = IFTODT(st.st_mode);
    }
    if (type == DT_DIR || type == DT_REG) entries.push_back({std::string(name), type});
  }
  if (errno != 0) return ErrnoStatus(errno, "list", path);
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

absl::Status Scanner::Compare(std::string_view path, const std::vector<std::string>& files,
                              absl::Time now) {
  const absl::StatusOr<std::vector<FileRecord>> rows = options_.batch->List(path);
  if (!rows.ok()) return rows.status();
  auto row = rows->begin();
  // Both are in byte order, and all have the same directory before the name.
  for (const std::string& name : files) {
    const std::string file = Join(path, name);
    for (; row != rows->end() && row->path < file; ++row) {
      if (!row->gone()) active_->missing.push_back(row->path);
    }
    const bool known = row != rows->end() && row->path == file;
    Found(file, known ? &*row : nullptr, now);
    if (known) ++row;
  }
  for (; row != rows->end(); ++row) {
    if (!row->gone()) active_->missing.push_back(row->path);
  }
  return absl::OkStatus();
}

void Scanner::Found(const std::string& path, const FileRecord* known, absl::Time now) {
  const FileRecord* uncommitted = options_.batch->FindUncommitted(path);
  if (uncommitted != nullptr) known = uncommitted;
  struct stat st;
  if (fstatat(root_, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return;
  const ContentVersion version = ContentVersion::Of(st);
  if (known != nullptr && !known->gone() && known->version == version) return;
  // Its times were set after its close, and somebody is about to prove it.
  if (options_.pending->Waits(path, PendingReason::kAttrib)) return;
  Cause cause = active_->request.cause;
  if (active_->request.moved_from.has_value()) {
    const std::string_view below =
        std::string_view(path).substr(active_->request.directory.size() + 1);
    const absl::StatusOr<std::optional<FileRecord>> before =
        options_.batch->Find(Join(*active_->request.moved_from, below));
    if (before.ok() && before->has_value() && (*before)->version == version) {
      cause = kCausedByMove;
    }
  }
  options_.judge->Consider(path, cause, now);
}

void Scanner::ForgetChildren(std::string_view path, const std::vector<std::string>& directories) {
  DirectoryTree& tree = options_.tree->tree();
  const std::optional<DirectoryTree::Id> id = tree.Find(path);
  if (!id.has_value()) return;
  for (const std::string& name : tree.ChildNames(*id)) {
    if (std::binary_search(directories.begin(), directories.end(), name)) continue;
    // If it was moved elsewhere in the volume, the scan of that place watches it again.
    if (const auto child = tree.Child(*id, name); child.has_value()) options_.tree->Leave(*child);
  }
}

absl::StatusOr<bool> Scanner::SweepNext(absl::Time now) {
  absl::StatusOr<std::optional<std::string>> directory =
      options_.batch->NextDirectory(active_->request.directory, active_->ledger_cursor);
  if (!directory.ok()) return directory.status();
  if (!directory->has_value()) return false;
  active_->ledger_cursor = **directory;
  const bool walked = !active_->request.only_gone.has_value() &&
                      options_.tree->tree().Find(**directory).has_value();
  if (walked) return true;
  const absl::StatusOr<std::vector<FileRecord>> rows = options_.batch->List(**directory);
  if (!rows.ok()) return rows.status();
  const bool told = active_->request.only_gone.has_value();
  for (const FileRecord& row : *rows) {
    if (row.gone()) continue;
    options_.judge->ConsiderGone(row.path, active_->request.only_gone.value_or(ChangeKind::kDelete),
                                 told ? ChangeSource::kInotify : ChangeSource::kRescan, now);
  }
  return true;
}

}  // namespace closewrite::watcher
