#include "services/executor/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

// A parent that the publisher has just swept away may still be in a network mount's cache, so that
// making its child fails once.
constexpr int kMakeTriesMax = 3;

constexpr mode_t kMode = 0777;

absl::Status Sync(int fd, std::string_view path) {
  // Some FUSE servers and special mounts can't sync; there the server decides.
  if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "sync", path);
}

// A hard link is somebody else's file as well, and could be changed by that name once it is
// published. It is not replaced by a copy: the command may have linked what it could not even read.
absl::Status CheckSingleLink(int fd, std::string_view path) {
  struct stat st;
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, "stat", path);
  if (st.st_nlink <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("the command left `", Display(path),
             "`, a hard link to a file that has another name, too; let it copy the file (cp, not "
             "ln or cp -l)"));
}

// A network mount may have rules of its own about owners, by which the user can write nevertheless;
// or else the command itself says that it can't.
void WarnOnce(const std::string& root, const std::string& owner, const char* error) {
  static absl::Mutex mutex(absl::kConstInit);
  static std::set<std::string>* const warned = new std::set<std::string>;
  absl::MutexLock lock(&mutex);
  if (!warned->insert(root).second) return;
  LogWarn("run_as: staging directories of this volume can't be given to the user of its commands",
          {{"root", root}, {"user", owner}, {"error", error}});
}

absl::Status CheckStagedName(std::string_view path) {
  const absl::Status status = CheckRelativePath(path);
  if (!status.ok()) return status;
  if (IsPrivate(path)) {
    return absl::InvalidArgumentError(StrCat("the command left `", Display(path),
                                             "`, but the name .closewrite is reserved; "
                                             "choose another"));
  }
  return absl::OkStatus();
}

}  // namespace

Staging::Staging(std::string root, int64_t job, int64_t token)
    : root_(std::move(root)), path_(StagingPath(job, token)) {}

std::string Staging::directory() const { return StrCat(root_, "/", path_); }

std::string Staging::Output(std::string_view output_path) const {
  return output_path.empty() ? directory() : StrCat(directory(), "/", output_path);
}

absl::Status Staging::Make(std::string_view output_path,
                           const std::optional<Account>& owner) const {
  absl::Status status = TryMake(output_path);
  for (int tries = 1; absl::IsNotFound(status) && tries < kMakeTriesMax; ++tries) {
    status = TryMake(output_path);
  }
  return status.ok() && owner.has_value() ? GiveTo(*owner, output_path) : status;
}

absl::Status Staging::GiveTo(const Account& owner, std::string_view output_path) const {
  const auto root = OpenRoot(root_);
  if (!root.ok()) return root.status();
  for (std::string_view parent = DirName(output_path);; parent = DirName(parent)) {
    const std::string directory = parent.empty() ? path_ : StrCat(path_, "/", parent);
    const auto fd = OpenBeneath(root->get(), directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd.ok()) return fd.status();
    if (fchown(fd->get(), owner.uid, owner.gid) != 0) {
      WarnOnce(root_, owner.name, strerror(errno));
      return absl::OkStatus();
    }
    if (parent.empty()) return absl::OkStatus();
  }
}

absl::Status Staging::TryMake(std::string_view output_path) const {
  const auto root = OpenRoot(root_);
  if (!root.ok()) return root.status();
  const std::string_view all = DirName(DirName(path_));
  if (absl::IsNotFound(OpenBeneath(root->get(), all, O_PATH | O_DIRECTORY).status())) {
    return absl::NotFoundError(StrCat(root_, " has no ", all, ": is it still mounted?"));
  }
  if (OpenBeneath(root->get(), path_, O_PATH | O_NOFOLLOW).ok()) {
    absl::Status removed = RemoveTree(root->get(), path_);
    if (!removed.ok()) return removed;
  }
  const std::string_view parent = DirName(output_path);
  // Collect syncs them: until the command has succeeded nothing of it must last.
  return MakeDirectories(root->get(), parent.empty() ? path_ : StrCat(path_, "/", parent), kMode,
                         /*sync=*/false);
}

absl::StatusOr<std::vector<StagedFile>> Staging::Collect() const {
  const auto root = OpenRoot(root_);
  if (!root.ok()) return root.status();
  const auto staging = OpenBeneath(root->get(), path_, O_RDONLY | O_DIRECTORY);
  if (!staging.ok()) return staging.status();
  std::vector<StagedFile> files;
  std::set<std::string, std::less<>> directories = {""};
  size_t names_bytes = 0;
  const auto visit = [&](std::string_view path, const struct stat&) -> absl::Status {
    absl::Status status = CheckStagedName(path);
    if (!status.ok()) return status;
    names_bytes += path.size();
    if (files.size() >= kStagedFilesMax || names_bytes > kStagedNamesBytesMax) {
      return absl::InvalidArgumentError(
          StrCat("the command left more than ", kStagedFilesMax, " files, or names of more than ",
                 kStagedNamesBytesMax, " bytes in all; put them into an archive"));
    }
    files.push_back({.path = std::string(path)});
    for (std::string_view parent = DirName(path);
         !parent.empty() && directories.insert(std::string(parent)).second;) {
      parent = DirName(parent);
    }
    return absl::OkStatus();
  };
  const auto other = [](std::string_view path, const struct stat& st) -> absl::Status {
    return absl::InvalidArgumentError(StrCat("the command left `", Display(path), "`, ",
                                             KindOf(st.st_mode),
                                             "; only regular files can be published"));
  };
  absl::Status status = ListFiles(staging->get(), "", 2 * kStagedFilesMax, visit, other);
  if (!status.ok()) return status;
  for (StagedFile& file : files) {
    const auto fd = OpenFileBeneath(staging->get(), file.path, O_RDONLY);
    if (!fd.ok()) return fd.status();
    status = CheckSingleLink(fd->get(), file.path);
    if (!status.ok()) return status;
    status = Sync(fd->get(), file.path);
    if (!status.ok()) return status;
    auto digest = DigestFile(fd->get());
    if (!digest.ok()) return digest.status();
    file.size = digest->size;
    file.sha256 = std::move(digest->sha256);
  }
  // Those above too, in which Make has made some: the job's, and that of all jobs.
  const std::string_view job = DirName(path_);
  std::vector<std::pair<int, std::string>> synced = {{root->get(), std::string(job)},
                                                     {root->get(), std::string(DirName(job))}};
  for (const std::string& directory : directories) synced.emplace_back(staging->get(), directory);
  for (const auto& [base, directory] : synced) {
    const auto fd = OpenBeneath(base, directory, O_RDONLY | O_DIRECTORY);
    if (!fd.ok()) return fd.status();
    status = Sync(fd->get(), directory);
    if (!status.ok()) return status;
  }
  return files;
}

absl::Status Staging::Remove() const {
  const auto root = OpenRoot(root_);
  if (!root.ok()) return root.status();
  return RemoveTree(root->get(), path_);
}

}  // namespace closewrite::executor
