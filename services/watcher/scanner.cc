#include "services/watcher/scanner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

bool WholeVolume(const ScanRequest& request) {
  return request.directory.empty() && !request.only_gone.has_value();
}

// What stands before a name in the directory.
std::string Prefix(std::string_view path) {
  return path.empty() ? std::string() : StrCat(path, "/");
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

void Scanner::EnqueueAll(const Cause& cause) {
  const int active = active_.has_value() && WholeVolume(active_->request) ? 1 : 0;
  // If one is queued, those behind it are served sooner by it than in their turn, so it may stay.
  if (scanning_all_ != active) return;
  ScanRequest request;
  request.cause = cause;
  Enqueue(std::move(request));
}

void Scanner::StartAudit() {
  if (audit_.has_value()) return;
  audit_ = Scan{};
  audit_->request.cause = kCausedByAudit;
  audit_->directories.emplace_back();
}

void Scanner::Clear() {
  finished_ = requested_;
  requests_.clear();
  active_.reset();
  audit_.reset();
  scan_ = nullptr;
  scanning_all_ = 0;
}

void Scanner::Begin() {
  active_ = Scan{};
  active_->request = std::move(requests_.front());
  requests_.pop_front();
  if (!active_->request.only_gone.has_value()) {
    active_->directories.push_back(active_->request.directory);
  }
}

void Scanner::Finish() {
  if (scan_->audit()) {
    audit_.reset();
    return;
  }
  if (WholeVolume(active_->request)) {
    --scanning_all_;
    ++whole_finished_;
  }
  active_.reset();
  ++finished_;
}

absl::Status Scanner::Step(absl::Time now) {
  if (!active_.has_value() && !requests_.empty()) Begin();
  if (!active_.has_value() && !audit_.has_value()) return absl::OkStatus();
  scan_ = active_.has_value() ? &*active_ : &*audit_;
  bool finished = false;
  const absl::Status stepped = StepOne(now, &finished);
  if (!stepped.ok() || finished) Finish();
  return stepped;
}

absl::Status Scanner::StepOne(absl::Time now, bool* finished) {
  if (!scan_->directories.empty()) {
    std::string path = std::move(scan_->directories.back());
    scan_->directories.pop_back();
    return Walk(std::move(path), now);
  }
  if (!scan_->checked) {
    scan_->checked = true;
    if (absl::Status right = options_.check_volume(); !right.ok()) return right;
    for (const std::string& path : scan_->missing) {
      Gone(path, ChangeKind::kDelete, scan_->request.cause.source, now);
    }
  }
  const absl::StatusOr<bool> more = SweepNext(now);
  *finished = more.ok() && !*more;
  return more.status();
}

void Scanner::Gone(const std::string& path, ChangeKind kind, ChangeSource source, absl::Time now) {
  if (options_.tree->Hidden(path)) return;
  if (scan_->audit()) return options_.judge->Audited(path, now);
  options_.judge->ConsiderGone(path, kind, source, now);
}

absl::Status Scanner::Walk(std::string path, absl::Time now) {
  absl::StatusOr<Fd> entered = options_.tree->Enter(path);
  // Gone, or named as uncovered by the tree.
  if (!entered.ok()) return absl::OkStatus();
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(entered->get()), closedir);
  // No memory; another scan will see.
  if (directory == nullptr) return absl::OkStatus();
  entered->Release();
  std::vector<std::string> files;
  std::vector<std::string> directories;
  // It was removed while it was listed, or the disk is failing; another scan will see.
  if (!List(directory.get(), path, &files, &directories)) return absl::OkStatus();
  ForgetChildren(path, directories);
  for (const std::string& name : directories) scan_->directories.push_back(Join(path, name));
  return Compare(path, dirfd(directory.get()), files, now);
}

bool Scanner::List(DIR* directory, std::string_view path, std::vector<std::string>* files,
                   std::vector<std::string>* directories) {
  std::string child = Prefix(path);
  const size_t prefix = child.size();
  while (true) {
    errno = 0;
    const dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat st;
    if (type == DT_UNKNOWN &&
        fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
      type = IFTODT(st.st_mode);
    }
    if (prefix + name.size() > kPathBytesMax) continue;
    child.replace(prefix, std::string::npos, name);
    if (type == DT_DIR && !options_.ignore->IgnoresDirectory(child)) {
      directories->emplace_back(name);
    } else if (type == DT_REG && !options_.ignore->IgnoresFile(child)) {
      files->emplace_back(name);
    }
  }
  if (errno != 0) return false;
  std::sort(files->begin(), files->end());
  std::sort(directories->begin(), directories->end());
  return true;
}

absl::Status Scanner::Compare(std::string_view path, int directory,
                              const std::vector<std::string>& files, absl::Time now) {
  const absl::StatusOr<std::vector<FileRecord>> rows = options_.batch->List(path);
  if (!rows.ok()) return rows.status();
  auto row = rows->begin();
  std::string file = Prefix(path);
  const size_t prefix = file.size();
  // Both are in byte order, and all have the same directory before the name.
  for (const std::string& name : files) {
    file.replace(prefix, std::string::npos, name);
    for (; row != rows->end() && row->path < file; ++row) {
      if (!row->gone()) scan_->missing.push_back(row->path);
    }
    const bool known = row != rows->end() && row->path == file;
    struct stat st;
    if (fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
      Found(file, st, known ? &*row : nullptr, now);
    }
    if (known) ++row;
  }
  for (; row != rows->end(); ++row) {
    if (!row->gone()) scan_->missing.push_back(row->path);
  }
  return absl::OkStatus();
}

void Scanner::Found(const std::string& path, const struct stat& st, const FileRecord* known,
                    absl::Time now) {
  const FileRecord* uncommitted = options_.batch->FindUncommitted(path);
  if (uncommitted != nullptr) known = uncommitted;
  const ContentVersion version = options_.judge->VersionOf(st);
  if (known != nullptr && known->finished() && known->version == version) return;
  // Its times were set after its close, and somebody is about to prove it.
  if (options_.pending->Waits(path, PendingReason::kAttrib)) return;
  if (scan_->audit()) return options_.judge->Audited(path, now);
  Cause cause = scan_->request.cause;
  if (scan_->request.moved_from.has_value()) {
    const std::string_view below =
        std::string_view(path).substr(scan_->request.directory.size() + 1);
    const absl::StatusOr<std::optional<FileRecord>> before =
        options_.batch->Find(Join(*scan_->request.moved_from, below));
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
      options_.batch->NextDirectory(scan_->request.directory, scan_->ledger_cursor);
  if (!directory.ok()) return directory.status();
  if (!directory->has_value()) return false;
  scan_->ledger_cursor = **directory;
  const bool walked =
      !scan_->request.only_gone.has_value() && options_.tree->tree().Find(**directory).has_value();
  if (walked) return true;
  const absl::StatusOr<std::vector<FileRecord>> rows = options_.batch->List(**directory);
  if (!rows.ok()) return rows.status();
  const bool told = scan_->request.only_gone.has_value();
  for (const FileRecord& row : *rows) {
    if (row.gone()) continue;
    Gone(row.path, scan_->request.only_gone.value_or(ChangeKind::kDelete),
         told ? ChangeSource::kInotify : scan_->request.cause.source, now);
  }
  return true;
}

}  // namespace closewrite::watcher
