#include "services/watcher/upload_placing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "services/watcher/publishing.h"
#include "services/watcher/verified_file.h"

namespace closewrite::watcher {
namespace {

constexpr char kContent[] = "content";

// `st`: what the file was when its content was checked.
absl::Status Verify(int fd, const UploadTask& task, struct stat* st) {
  if (fstat(fd, st) != 0) return ErrnoStatus(errno, "stat", task.path);
  if (absl::Status alone = CheckSingleLink(*st, task.path); !alone.ok()) return alone;
  if (st->st_size != task.size) {
    return absl::FailedPreconditionError(
        StrCat("what is staged has ", st->st_size, " bytes instead of ", task.size));
  }
  const absl::StatusOr<Digest> digest = DigestFile(fd);
  if (!digest.ok()) return digest.status();
  if (digest->size != task.size || digest->sha256 != task.sha256) {
    return absl::FailedPreconditionError("what is staged has another SHA-256 than was announced");
  }
  if (fsync(fd) != 0) return ErrnoStatus(errno, "sync", task.path);
  return absl::OkStatus();
}

// Never over what is there.
absl::Status Move(int from, int to, const std::string& name) {
  int error = 0;
  if (renameat2(from, kContent, to, name.c_str(), RENAME_NOREPLACE) == 0) return absl::OkStatus();
  error = errno;
  // Some file systems can't rename so; none lets a link replace anything.
  if (error == EINVAL || error == ENOSYS) {
    error = linkat(from, kContent, to, name.c_str(), 0) == 0 ? 0 : errno;
    if (error == 0 && unlinkat(from, kContent, 0) != 0) error = errno;
  }
  if (error == 0) return absl::OkStatus();
  const absl::Status status = ErrnoStatus(error, "put into place", name);
  if (error == EEXIST) return absl::AlreadyExistsError(status.message());
  if (error == EXDEV) return absl::FailedPreconditionError(status.message());
  // What was there a moment ago was removed: the next try makes it again.
  return error == ENOENT ? absl::UnavailableError(status.message()) : status;
}

absl::Status SyncDirectory(int root, std::string_view path) {
  const absl::StatusOr<Fd> directory = OpenBeneath(root, path, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(directory.status())) return absl::OkStatus();  // removed since
  if (!directory.ok()) return directory.status();
  if (fsync(directory->get()) != 0) return ErrnoStatus(errno, "sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::Status PlaceUpload(int root, const UploadTask& task) {
  if (absl::Status valid = CheckRelativePath(task.path); !valid.ok()) return valid;
  if (IsPrivate(task.path)) {
    return absl::InvalidArgumentError(
        StrCat(Display(task.path), ": nothing may be put into ", kPrivateDir));
  }
  if (absl::Status usable = CheckStaging(root); !usable.ok()) return usable;
  const std::string staging = StagingPath(0, task.number);
  const absl::StatusOr<Fd> from = OpenBeneath(root, staging, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(from.status())) {
    return absl::NotFoundError(
        "nothing is staged for it; is what the portal has mounted the same folder?");
  }
  if (!from.ok()) return from.status();
  const std::string_view directory = DirName(task.path);
  const absl::StatusOr<Fd> content = OpenFileBeneath(from->get(), kContent, O_RDONLY);
  // Only we take it away, so a former try has.
  if (absl::IsNotFound(content.status())) return SyncDirectory(root, directory);
  if (!content.ok()) return content.status();
  struct stat verified;
  if (absl::Status right = Verify(content->get(), task, &verified); !right.ok()) return right;
  if (absl::Status made = MakeDirectories(root, directory); !made.ok()) return made;
  const absl::StatusOr<Fd> to = OpenBeneath(root, directory, O_RDONLY | O_DIRECTORY);
  if (!to.ok()) return to.status();
  const std::string name(BaseName(task.path));
  absl::Status moved = CheckStillVerified(from->get(), kContent, verified);
  if (moved.ok()) moved = Move(from->get(), to->get(), name);
  if (moved.ok()) moved = TakeBackUnlessFile(to->get(), name);
  if (!moved.ok()) return moved;
  return SyncDirectory(root, directory);
}

}  // namespace closewrite::watcher
