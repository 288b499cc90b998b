// Files below a volume's root, opened so that no symlink and no ".." can lead out of it, and so
// that nothing but a file is ever taken for one.
//
// Whoever touches what lies in a volume does it by these calls, or by a descriptor that they gave
// and a name without a '/': somebody else may put a link in the place of a directory at any moment.
#ifndef SERVICES_VOLUME_FILE_SYSTEM_H_
#define SERVICES_VOLUME_FILE_SYSTEM_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite {

// Owns a file descriptor; closes it. Movable. -1: none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { Reset(); }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Release();
  void Reset();

 private:
  int fd_ = -1;
};

// Status for errno `error` of `doing` ("open"), with the path displayed: NOT_FOUND for ENOENT and
// ENOTDIR, RESOURCE_EXHAUSTED for ENOSPC and EDQUOT, PERMISSION_DENIED for EACCES, EPERM and EROFS,
// else UNAVAILABLE.
absl::Status ErrnoStatus(int error, std::string_view doing, std::string_view path);

// Opens an absolute directory as a root for the calls below (O_PATH | O_DIRECTORY).
absl::StatusOr<Fd> OpenRoot(const std::string& absolute_path);

// openat2(2) below `root` with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS; on a
// kernel or below a seccomp profile that lacks it, component by component, with the same answers.
// `path` is "" for the root itself, or one that CheckRelativePath takes; otherwise
// INVALID_ARGUMENT. FAILED_PRECONDITION when a symlink is on the way. O_CLOEXEC is added, and
// O_NONBLOCK and O_NOCTTY where they are possible, so that no open waits.
absl::StatusOr<Fd> OpenBeneath(int root, std::string_view path, int flags, mode_t mode = 0);

// Opens a regular file, and nothing else: a device is not opened, nobody's reader or writer at the
// other end of a pipe is woken. FAILED_PRECONDITION, which names the kind, for anything else; the
// check and the open can't be parted by a swap. With O_CREAT a file that is missing is made.
absl::StatusOr<Fd> OpenFileBeneath(int root, std::string_view path, int flags, mode_t mode = 0);

// lstat(2) below `root`: a symlink is told of as such when it comes last, and is
// FAILED_PRECONDITION when it stands in the way. NOT_FOUND when nothing is there.
absl::StatusOr<struct stat> StatBeneath(int root, std::string_view path);

// "a directory", "a symbolic link", "a named pipe", "a socket", "a device", "a regular file".
std::string_view KindOf(mode_t mode);

// How paths are resolved; for tests, which try both. kByComponents is what remains without
// openat2(2).
enum class Resolving { kAsItCan, kByComponents };
void ForceResolving(Resolving resolving);

// mkdir -p of a directory path below `root`; syncs each parent in which a directory was made,
// unless `sync` is false and the caller does. "" is the root.
absl::Status MakeDirectories(int root, std::string_view path, mode_t mode = 0777, bool sync = true);

// Removes a directory below `root` with all that is in it. OK if it is not there. Does not follow
// symlinks, nor enter what is mounted in it.
absl::Status RemoveTree(int root, std::string_view path);

// Removes a directory below `root` if it is empty. OK if it is not, or not there.
absl::Status RemoveIfEmpty(int root, std::string_view path);

// Lists regular files below `root`/`dir`, recursively, calling `visit` with the path relative to
// `dir`. Symlinks and other kinds are given to `other`, when set. Stops with RESOURCE_EXHAUSTED
// after `entries_max` entries.
absl::Status ListFiles(
    int root, std::string_view dir, int64_t entries_max,
    const std::function<absl::Status(std::string_view path, const struct stat&)>& visit,
    const std::function<absl::Status(std::string_view path, const struct stat&)>& other = nullptr);

// SHA-256 of the file's content from its start, 32 bytes; and the bytes read.
struct Digest {
  std::string sha256;
  int64_t size = 0;
};
absl::StatusOr<Digest> DigestFile(int fd);

// mtime of a stat in nanoseconds since 1970.
int64_t MtimeNs(const struct stat& st);

}  // namespace closewrite

#endif  // SERVICES_VOLUME_FILE_SYSTEM_H_
