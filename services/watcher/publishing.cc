#include "services/watcher/publishing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr char kStagingRoot[] = ".closewrite/staging";
// A name in it that is neither is not ours.
constexpr int64_t kNotANumber = -1;

absl::Status CheckTarget(int root, const StagedFile& file) {
  if (absl::Status valid = CheckRelativePath(file.path); !valid.ok()) return valid;
  if (IsPrivate(file.path)) {
    return absl::InvalidArgumentError(
        StrCat(Display(file.path), ": nothing may be published into ", kPrivateDir));
  }
  const absl::Status made = MakeDirectories(root, DirName(file.path));
  if (!made.ok()) return made;
  const absl::StatusOr<Fd> target = OpenBeneath(root, file.path, O_PATH | O_NOFOLLOW);
  struct stat st;
  if (target.ok() && fstat(target->get(), &st) == 0 && S_ISDIR(st.st_mode)) {
    return absl::FailedPreconditionError(
        StrCat("a directory stands where ", Display(file.path), " is to be published"));
  }
  return absl::OkStatus();
}

// OK when the open file is what was announced; FAILED_PRECONDITION when it is not.
absl::Status Verify(int fd, const StagedFile& file) {
  struct stat st;
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, "stat", file.path);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(StrCat(Display(file.path), " is not a regular file"));
  }
  if (st.st_size != file.size) {
    return absl::FailedPreconditionError(
        StrCat(Display(file.path), " has ", st.st_size, " bytes instead of ", file.size));
  }
  const absl::StatusOr<Digest> digest = DigestFile(fd);
  if (!digest.ok()) return digest.status();
  if (digest->size != file.size || digest->sha256 != file.sha256) {
    return absl::FailedPreconditionError(
        StrCat(Display(file.path), " has another SHA-256 than was announced"));
  }
  return absl::OkStatus();
}

// The inode of the staged file when it is to be renamed, nullopt when a former try has done it.
absl::StatusOr<std::optional<uint64_t>> PrepareFile(int root, const StagedFile& file,
                                                    std::string_view staging, bool began) {
  const std::string staged = Join(staging, file.path);
  const absl::StatusOr<Fd> fd = OpenBeneath(root, staged, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fd.ok()) {
    if (absl::Status right = Verify(fd->get(), file); !right.ok()) return right;
    // The executor synced it through its mount; what that is worth depends on the server.
    if (fsync(fd->get()) != 0) return ErrnoStatus(errno, "sync", staged);
    struct stat st;
    if (fstat(fd->get(), &st) != 0) return ErrnoStatus(errno, "stat", staged);
    return std::optional<uint64_t>(st.st_ino);
  }
  if (!absl::IsNotFound(fd.status())) return fd.status();
  // Only we take files out of a staging directory whose renames have begun.
  if (began) return std::optional<uint64_t>();
  const absl::StatusOr<Fd> target =
      OpenBeneath(root, file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (target.ok() && Verify(target->get(), file).ok()) {
    return std::optional<uint64_t>();
  }
  return absl::NotFoundError(StrCat("staged file ", Display(file.path), " is missing"));
}

absl::Status Rename(int root, const std::string& from, const std::string& to) {
  const absl::StatusOr<Fd> from_parent = OpenBeneath(root, DirName(from), O_PATH | O_DIRECTORY);
  if (!from_parent.ok()) return absl::UnavailableError(from_parent.status().message());
  const absl::StatusOr<Fd> to_parent = OpenBeneath(root, DirName(to), O_PATH | O_DIRECTORY);
  if (!to_parent.ok()) return absl::UnavailableError(to_parent.status().message());
  const std::string from_name(BaseName(from));
  const std::string to_name(BaseName(to));
  if (renameat(from_parent->get(), from_name.c_str(), to_parent->get(), to_name.c_str()) == 0) {
    return absl::OkStatus();
  }
  if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST || errno == EXDEV) {
    return absl::FailedPreconditionError(ErrnoStatus(errno, "publish", to).message());
  }
  // A directory that was there a moment ago was removed: the next try makes it again.
  if (errno == ENOENT) return absl::UnavailableError(ErrnoStatus(errno, "publish", to).message());
  return ErrnoStatus(errno, "publish", to);
}

absl::Status SyncDirectories(int root, const std::set<std::string>& directories) {
  for (const std::string& path : directories) {
    const absl::StatusOr<Fd> fd = OpenBeneath(root, path, O_RDONLY | O_DIRECTORY);
    if (absl::IsNotFound(fd.status())) continue;  // removed since, with what was in it
    if (!fd.ok()) return fd.status();
    if (fsync(fd->get()) != 0) return ErrnoStatus(errno, "sync", path);
  }
  return absl::OkStatus();
}

int64_t Number(std::string_view name) {
  int64_t number = 0;
  if (name.empty() || name[0] < '0' || name[0] > '9') return kNotANumber;
  return absl::SimpleAtoi(ToAbsl(name), &number) ? number : kNotANumber;
}

// Numbered directories in a directory.
absl::StatusOr<std::vector<int64_t>> ListNumbers(int root, std::string_view path) {
  absl::StatusOr<Fd> directory = OpenBeneath(root, path, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(directory.status())) return std::vector<int64_t>();
  if (!directory.ok()) return directory.status();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(directory->get()), closedir);
  if (stream == nullptr) return ErrnoStatus(errno, "list", path);
  directory->Release();
  std::vector<int64_t> numbers;
  while (const dirent* entry = readdir(stream.get())) {
    const int64_t number = Number(entry->d_name);
    if (number != kNotANumber) numbers.push_back(number);
  }
  return numbers;
}

std::optional<absl::Time> ChangedAt(int root, std::string_view path) {
  const absl::StatusOr<Fd> fd = OpenBeneath(root, path, O_PATH | O_DIRECTORY);
  struct stat st;
  if (!fd.ok() || fstat(fd->get(), &st) != 0) return std::nullopt;
  return absl::TimeFromTimespec(st.st_mtim);
}

}  // namespace

bool IsFinal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsFailedPrecondition(status);
}

absl::Status Publish(int root, const PublishTask& task, const PublishProgress& progress) {
  const std::string staging = StagingPath(task.key.job, task.key.token);
  std::vector<PublishedFile> renames;
  std::set<std::string> changed;
  for (const StagedFile& file : task.files) {
    if (absl::Status free = CheckTarget(root, file); !free.ok()) return free;
    const absl::StatusOr<std::optional<uint64_t>> staged =
        PrepareFile(root, file, staging, progress.began);
    if (!staged.ok()) return staged.status();
    // A former try may have been killed before it had synced: so all are synced.
    changed.emplace(DirName(file.path));
    if (!staged->has_value()) continue;
    renames.push_back({file.path, **staged});
    changed.emplace(DirName(Join(staging, file.path)));
  }
  if (!renames.empty()) {
    if (absl::Status begun = progress.begin(renames); !begun.ok()) return begun;
  }
  for (const PublishedFile& file : renames) {
    absl::Status renamed = Rename(root, Join(staging, file.path), file.path);
    if (!renamed.ok()) return renamed;
  }
  if (absl::Status synced = SyncDirectories(root, changed); !synced.ok()) return synced;
  return RemoveStaging(root, task.key);
}

absl::StatusOr<std::vector<PublishKey>> ListStaging(int root, absl::Time before,
                                                    size_t directories_max) {
  const absl::StatusOr<std::vector<int64_t>> jobs = ListNumbers(root, kStagingRoot);
  if (!jobs.ok()) return jobs.status();
  std::vector<PublishKey> keys;
  for (const int64_t job : *jobs) {
    const std::string directory = StrCat(kStagingRoot, "/", job);
    const absl::StatusOr<std::vector<int64_t>> tokens = ListNumbers(root, directory);
    if (!tokens.ok()) return tokens.status();
    for (const int64_t token : *tokens) {
      if (keys.size() >= directories_max) return keys;
      const std::optional<absl::Time> changed = ChangedAt(root, StagingPath(job, token));
      if (changed.has_value() && *changed < before) keys.push_back({job, token});
    }
    const std::optional<absl::Time> changed = ChangedAt(root, directory);
    if (tokens->empty() && changed.has_value() && *changed < before) {
      // Only an empty one goes.
      unlinkat(root, directory.c_str(), AT_REMOVEDIR);
    }
  }
  return keys;
}

absl::Status RemoveStaging(int root, const PublishKey& key) {
  const std::string staging = StagingPath(key.job, key.token);
  absl::Status removed = RemoveTree(root, staging);
  if (!removed.ok()) return removed;
  // That of the job goes with its last token; while others are in it, this fails.
  unlinkat(root, std::string(DirName(staging)).c_str(), AT_REMOVEDIR);
  return absl::OkStatus();
}

}  // namespace closewrite::watcher
