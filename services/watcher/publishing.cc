#include "services/watcher/publishing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "services/watcher/verified_file.h"
#include "services/watcher/volume_root.h"

namespace closewrite::watcher {
namespace {

constexpr mode_t kDirectoryMode = 0777;  // less the umask

// Gives a new directory the owner and the mode that the executor gave its staged one, as a rename
// gives them to files. What we may not give stays as it is.
void Resemble(int parent, const std::string& name, const struct stat& staged) {
  const Fd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat above = {};
  struct stat made = {};
  if (!fd.ok() || fstat(parent, &above) != 0 || fstat(fd.get(), &made) != 0) return;
  // In a set-group-ID directory the group is inherited.
  const bool inherits = (above.st_mode & S_ISGID) != 0;
  const gid_t group = inherits ? made.st_gid : staged.st_gid;
  [[maybe_unused]] int ignored = 0;
  if (geteuid() == 0) ignored = fchown(fd.get(), staged.st_uid, group);
  ignored = fchmod(fd.get(), (staged.st_mode & 0777) | (inherits ? S_ISGID : 0));
}

// One call of Publish.
class Order {
 public:
  Order(int root, const PublishTask& task, const PublishProgress& progress)
      : root_(root),
        task_(task),
        progress_(progress),
        staging_(StagingPath(task.key.job, task.key.token)) {}

  absl::Status Check();
  absl::Status Verify();
  absl::Status Begin();
  absl::Status MakeDirectories();
  absl::Status Rename();
  absl::Status Sync();
  absl::Status Sweep();

 private:
  absl::Status After(PublishStep step) const {
    return progress_.after ? progress_.after(step) : absl::OkStatus();
  }
  absl::Status CheckTarget(const StagedFile& file) const;
  absl::Status CheckDirectory(std::string_view path) const;
  absl::StatusOr<std::optional<struct stat>> VerifyOne(const StagedFile& file) const;
  absl::Status MakeDirectory(const std::string& path);
  absl::Status RenameOne(const std::string& path, const struct stat& verified) const;

  const int root_;
  const PublishTask& task_;
  const PublishProgress& progress_;
  const std::string staging_;
  MountIdentity mount_;
  std::set<std::string> targets_;      // directories of all files; parents come before children
  std::vector<PublishedFile> files_;   // that are still to be renamed
  std::vector<struct stat> verified_;  // what each of them was
  std::set<std::string> changed_;      // directories that must be synced
};

absl::Status Order::Check() {
  if (absl::Status staging = CheckStaging(root_); !staging.ok()) return staging;
  const absl::StatusOr<MountIdentity> mount = IdentifyMount(root_);
  if (!mount.ok()) return mount.status();
  mount_ = *mount;
  std::set<std::string_view> paths;
  for (const StagedFile& file : task_.files) {
    if (absl::Status valid = CheckRelativePath(file.path); !valid.ok()) return valid;
    if (IsPrivate(file.path)) {
      return absl::InvalidArgumentError(
          StrCat(Display(file.path), ": nothing may be published into ", kPrivateDir));
    }
    if (!paths.insert(file.path).second) {
      return absl::InvalidArgumentError(
          StrCat(Display(file.path), " is named twice; give each file a name of its own"));
    }
    const std::string directory(DirName(file.path));
    if (!targets_.contains(directory)) {
      if (absl::Status free = CheckDirectory(directory); !free.ok()) return free;
      targets_.insert(directory);
    }
    if (absl::Status free = CheckTarget(file); !free.ok()) return free;
  }
  return After(PublishStep::kChecked);
}

// OK when the directory is there, on the root's file system, or can be made.
absl::Status Order::CheckDirectory(std::string_view path) const {
  while (true) {
    const absl::StatusOr<Fd> found = OpenBeneath(root_, path, O_PATH | O_NOFOLLOW);
    if (absl::IsNotFound(found.status()) && !path.empty()) {
      path = DirName(path);
      continue;
    }
    if (!found.ok()) return found.status();
    struct stat st;
    if (fstat(found->get(), &st) != 0) return ErrnoStatus(errno, "stat", path);
    if (S_ISLNK(st.st_mode)) {
      return absl::FailedPreconditionError(
          StrCat("a symbolic link stands where the directory ", Display(path),
                 " is needed to publish into; remove it, or put the directory itself there"));
    }
    if (!S_ISDIR(st.st_mode)) {
      return absl::FailedPreconditionError(
          StrCat("a file stands where the directory ", Display(path),
                 " is needed to publish into; remove it, or name the results differently"));
    }
    const absl::StatusOr<MountIdentity> mount = IdentifyMount(found->get());
    if (!mount.ok()) return mount.status();
    if (mount->device == mount_.device && mount->mount == mount_.mount) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat("another file system is mounted at or above ", Display(path),
               ", and nothing can be renamed into it; make it a volume of its own"));
  }
}

absl::Status Order::CheckTarget(const StagedFile& file) const {
  const absl::StatusOr<Fd> target = OpenBeneath(root_, file.path, O_PATH | O_NOFOLLOW);
  struct stat st;
  if (target.ok() && fstat(target->get(), &st) == 0 && S_ISDIR(st.st_mode)) {
    return absl::FailedPreconditionError(
        StrCat("a directory stands where ", Display(file.path),
               " is to be published; remove it, or name the result differently"));
  }
  return absl::OkStatus();
}

// OK when the open file is what was announced; FAILED_PRECONDITION when it is not.
absl::Status VerifyContent(int fd, const StagedFile& file) {
  struct stat st;
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, "stat", file.path);
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

// What the staged file is when it is to be renamed, nullopt when a former try has done it.
absl::StatusOr<std::optional<struct stat>> Order::VerifyOne(const StagedFile& file) const {
  const std::string staged = Join(staging_, file.path);
  const absl::StatusOr<Fd> fd = OpenFileBeneath(root_, staged, O_RDONLY);
  if (fd.ok()) {
    struct stat st;
    if (fstat(fd->get(), &st) != 0) return ErrnoStatus(errno, "stat", staged);
    if (absl::Status alone = CheckSingleLink(st, file.path); !alone.ok()) return alone;
    if (absl::Status right = VerifyContent(fd->get(), file); !right.ok()) return right;
    // The executor synced it through its mount; what that is worth depends on the server.
    if (fsync(fd->get()) != 0) return ErrnoStatus(errno, "sync", staged);
    return std::optional<struct stat>(st);
  }
  if (!absl::IsNotFound(fd.status())) return fd.status();
  // Only we take files out of a staging directory whose renames have begun.
  if (progress_.began) return std::optional<struct stat>();
  const absl::StatusOr<Fd> target = OpenFileBeneath(root_, file.path, O_RDONLY);
  if (target.ok() && VerifyContent(target->get(), file).ok()) return std::optional<struct stat>();
  return absl::NotFoundError(StrCat("staged file ", Display(file.path), " is missing"));
}

absl::Status Order::Verify() {
  for (const StagedFile& file : task_.files) {
    const absl::StatusOr<std::optional<struct stat>> verified = VerifyOne(file);
    if (!verified.ok()) return verified.status();
    if (verified->has_value()) {
      files_.push_back({file.path, (*verified)->st_ino});
      verified_.push_back(**verified);
    }
    if (absl::Status go_on = After(PublishStep::kVerified); !go_on.ok()) return go_on;
  }
  return absl::OkStatus();
}

absl::Status Order::Begin() {
  if (files_.empty()) return absl::OkStatus();
  absl::Status begun = progress_.begin(files_);
  return begun.ok() ? After(PublishStep::kBegun) : begun;
}

// Makes a directory with its parents; those that changed by it are synced later, each once.
absl::Status Order::MakeDirectory(const std::string& path) {
  const std::string directory(DirName(path));
  absl::StatusOr<Fd> parent = OpenBeneath(root_, directory, O_PATH | O_DIRECTORY);
  if (absl::IsNotFound(parent.status())) {
    if (absl::Status made = MakeDirectory(directory); !made.ok()) return made;
    parent = OpenBeneath(root_, directory, O_PATH | O_DIRECTORY);
  }
  if (!parent.ok()) return parent.status();
  if (mkdirat(parent->get(), std::string(BaseName(path)).c_str(), kDirectoryMode) != 0) {
    return errno == EEXIST ? absl::OkStatus() : ErrnoStatus(errno, "make directory", path);
  }
  const absl::StatusOr<Fd> staged = OpenBeneath(root_, Join(staging_, path), O_PATH | O_DIRECTORY);
  struct stat st = {};
  if (staged.ok() && fstat(staged->get(), &st) == 0) {
    Resemble(parent->get(), std::string(BaseName(path)), st);
  }
  changed_.insert(directory);
  return After(PublishStep::kDirectoryMade);
}

absl::Status Order::MakeDirectories() {
  for (const PublishedFile& file : files_) {
    const std::string directory(DirName(file.path));
    if (changed_.contains(directory)) continue;
    const absl::StatusOr<Fd> there = OpenBeneath(root_, directory, O_PATH | O_DIRECTORY);
    if (absl::IsNotFound(there.status())) {
      if (absl::Status made = MakeDirectory(directory); !made.ok()) return made;
    }
    changed_.insert(directory);
  }
  return absl::OkStatus();
}

absl::Status Order::RenameOne(const std::string& path, const struct stat& verified) const {
  const std::string staged = Join(staging_, path);
  const absl::StatusOr<Fd> from = OpenBeneath(root_, DirName(staged), O_PATH | O_DIRECTORY);
  if (!from.ok()) return absl::UnavailableError(from.status().message());
  const absl::StatusOr<Fd> to = OpenBeneath(root_, DirName(path), O_PATH | O_DIRECTORY);
  if (!to.ok()) return absl::UnavailableError(to.status().message());
  const std::string name(BaseName(path));
  if (absl::Status same = CheckStillVerified(from->get(), name, verified); !same.ok()) return same;
  if (renameat(from->get(), name.c_str(), to->get(), name.c_str()) == 0) {
    return TakeBackUnlessFile(to->get(), name);
  }
  const int error = errno;
  const absl::Status status = ErrnoStatus(error, "publish", path);
  if (error == EISDIR || error == ENOTEMPTY || error == EEXIST || error == EXDEV) {
    return absl::FailedPreconditionError(status.message());
  }
  // A directory that was there a moment ago was removed: the next try makes it again.
  return error == ENOENT ? absl::UnavailableError(status.message()) : status;
}

absl::Status Order::Rename() {
  for (size_t i = 0; i < files_.size(); ++i) {
    if (absl::Status renamed = RenameOne(files_[i].path, verified_[i]); !renamed.ok()) {
      return renamed;
    }
    if (absl::Status go_on = After(PublishStep::kRenamed); !go_on.ok()) return go_on;
  }
  return absl::OkStatus();
}

// The directories that files came into. That they left staging needs no sync: a rename is one
// change, and staging is swept.
absl::Status Order::Sync() {
  // A former try may have been killed before it had synced.
  if (progress_.began || files_.size() < task_.files.size()) {
    changed_.insert("");
    for (std::string_view path : targets_) {
      for (; !path.empty(); path = DirName(path)) changed_.emplace(path);
    }
  }
  for (const std::string& path : changed_) {
    const absl::StatusOr<Fd> fd = OpenBeneath(root_, path, O_RDONLY | O_DIRECTORY);
    if (absl::IsNotFound(fd.status())) continue;  // removed since, with what was in it
    if (!fd.ok()) return fd.status();
    if (fsync(fd->get()) != 0) return ErrnoStatus(errno, "sync", path);
    if (absl::Status go_on = After(PublishStep::kSynced); !go_on.ok()) return go_on;
  }
  return absl::OkStatus();
}

absl::Status Order::Sweep() {
  absl::Status removed = RemoveStaging(root_, task_.key);
  return removed.ok() ? After(PublishStep::kSwept) : removed;
}

}  // namespace

bool IsFinal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsFailedPrecondition(status);
}

absl::Status Publish(int root, const PublishTask& task, const PublishProgress& progress) {
  Order order(root, task, progress);
  for (const auto step : {&Order::Check, &Order::Verify, &Order::Begin, &Order::MakeDirectories,
                          &Order::Rename, &Order::Sync, &Order::Sweep}) {
    if (absl::Status status = (order.*step)(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace closewrite::watcher
