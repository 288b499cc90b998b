#include "services/volume/file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// Directories within directories; each level holds a descriptor, of which a process often has 1024.
constexpr int kTreeDepthMax = 200;
// openat2(2) fails with EAGAIN when something was renamed on the way meanwhile.
constexpr int kOpenAttemptsMax = 64;
// A network mount remembers a file that its server has replaced, and forgets it when it is opened
// in vain; and a file that is to be made may have come and gone meanwhile.
constexpr int kFileAttemptsMax = 3;
constexpr size_t kDigestBufferBytes = 256 << 10;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

std::string_view Cure(int error) {
  switch (error) {
    case ENOSPC:
      return "; free some space there";
    case EDQUOT:
      return "; free some of the quota there";
    case EACCES:
    case EPERM:
      return "; give the user of this process access";
    case EROFS:
      return "; mount it writable";
    case EMFILE:
      return "; raise this process's limit of open files (ulimit -n, LimitNOFILE=)";
    case ENFILE:
      return "; raise the host's limit of open files (sysctl fs.file-max)";
    case ENOENT:
    case ENOTDIR:
      return "; check the name, and that its file system is mounted";
    default:
      return "; it is safe to try again";
  }
}

// Set by tests, and once the kernel, or a seccomp profile that is older than it, refuses
// openat2(2).
std::atomic<bool> by_components = false;

int OpenAt2(int root, const std::string& path, int flags, mode_t mode) {
  open_how how = {};
  how.flags = static_cast<unsigned>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const int fd = static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how)));
    if (fd >= 0) return fd;
    if (errno != EINTR && (errno != EAGAIN || attempt >= kOpenAttemptsMax)) return -1;
  }
}

// Whether `error` of openat2(2) says that there is no such call. Old seccomp profiles answer EPERM
// to what they don't know; so can a file, but no O_PATH of a directory that is open already.
bool IsNoSuchCall(int root, int error) {
  if (error == ENOSYS) return true;
  if (error != EPERM) return false;
  const Fd probe(OpenAt2(root, ".", O_PATH | O_CLOEXEC, 0));
  const bool none = !probe.ok() && (errno == EPERM || errno == ENOSYS);
  errno = error;
  return none;
}

bool IsSymlink(int directory, const std::string& name) {
  struct stat st;
  return fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

// One directory on the way. Never more than looked at: O_PATH opens nothing.
Fd EnterDirectory(int above, const std::string& name) {
  Fd fd(openat(above, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (!fd.ok() || fstat(fd.get(), &st) != 0) return Fd();
  if (S_ISDIR(st.st_mode)) return fd;
  errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
  return Fd();
}

// The last part, with the answers of openat2(2).
int OpenLast(int directory, const std::string& name, int flags, mode_t mode) {
  Fd fd(openat(directory, name.c_str(), flags | O_NOFOLLOW, mode));
  if ((flags & O_NOFOLLOW) != 0) return fd.Release();
  if (!fd.ok() && errno == ENOTDIR && IsSymlink(directory, name)) errno = ELOOP;
  struct stat st;
  if (fd.ok() && (flags & O_PATH) != 0 && fstat(fd.get(), &st) == 0 && S_ISLNK(st.st_mode)) {
    errno = ELOOP;
    return -1;
  }
  return fd.Release();
}

int OpenByComponents(int root, const std::string& path, int flags, mode_t mode) {
  if (path == ".") return openat(root, ".", flags, mode);
  Fd above;
  for (size_t start = 0;;) {
    const int directory = above.ok() ? above.get() : root;
    const size_t slash = path.find('/', start);
    if (slash == std::string::npos) return OpenLast(directory, path.substr(start), flags, mode);
    Fd entered = EnterDirectory(directory, path.substr(start, slash - start));
    if (!entered.ok()) return -1;
    above = std::move(entered);
    start = slash + 1;
  }
}

// `path` is "." or was checked. -1 with errno set.
int Resolve(int root, const std::string& path, int flags, mode_t mode) {
  flags |= O_CLOEXEC;
  // With O_PATH nothing else is allowed; it never waits.
  if ((flags & O_PATH) == 0) flags |= O_NONBLOCK | O_NOCTTY;
  if (!by_components) {
    const int fd = OpenAt2(root, path, flags, mode);
    if (fd >= 0 || !IsNoSuchCall(root, errno)) return fd;
    by_components = true;
  }
  return OpenByComponents(root, path, flags, mode);
}

absl::Status OpenError(int error, std::string_view path) {
  if (error != ELOOP && error != EXDEV) return ErrnoStatus(error, "open", path);
  return absl::FailedPreconditionError(
      StrCat("cannot open \"", Display(path),
             "\": it leads over a symbolic link or out of the volume; put the file itself there"));
}

absl::Status NotAFile(std::string_view path, mode_t mode) {
  return absl::FailedPreconditionError(StrCat("\"", Display(path), "\" is ", KindOf(mode),
                                              ", not a regular file; put a file there instead"));
}

// Opens, with other flags, the very file that is open by O_PATH.
Fd OpenAgain(int fd, int flags) {
  const std::string name = StrCat("/proc/self/fd/", fd);
  return Fd(open(name.c_str(), (flags & ~O_NOFOLLOW) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

// Directories on sshfs and some other mounts can't be synced; there the server decides.
absl::Status SyncDirectory(int parent, std::string_view path) {
  const Fd fd(openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open", path);
  if (fsync(fd.get()) == 0 || errno == EINVAL) return absl::OkStatus();
  return ErrnoStatus(errno, "sync", path);
}

// Names in a directory, in byte order, without "." and "..". Takes over `fd`.
absl::StatusOr<std::vector<std::string>> Names(Fd fd, std::string_view path, size_t names_max) {
  const Dir dir(fdopendir(fd.get()));
  if (dir == nullptr) return ErrnoStatus(errno, "list", path);
  fd.Release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() >= names_max) {
      return absl::ResourceExhaustedError(StrCat("more than ", names_max, " entries left for \"",
                                                 Display(path), "\"; use fewer, larger files"));
    }
    names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status TooDeep(std::string_view path) {
  return absl::FailedPreconditionError(StrCat("\"", Display(path), "\" is nested deeper than ",
                                              kTreeDepthMax, " directories; make it flatter"));
}

// A second descriptor of the same directory, with a position of its own.
Fd Reopen(int directory) { return Fd(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

// Whether both directories are of one mount; by their devices where the kernel can't tell more.
bool SameMount(int a, int b) {
  constexpr int kMask = STATX_INO | STATX_MNT_ID;
  struct statx first;
  struct statx second;
  return statx(a, "", AT_EMPTY_PATH, kMask, &first) == 0 &&
         statx(b, "", AT_EMPTY_PATH, kMask, &second) == 0 &&
         first.stx_dev_major == second.stx_dev_major &&
         first.stx_dev_minor == second.stx_dev_minor && first.stx_mnt_id == second.stx_mnt_id;
}

// Opens a directory that is to be removed, and makes it writable for that if need be (some tools
// write-protect what they make). Not ok() with errno set.
Fd OpenForRemoval(int parent, const char* name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd fd(openat(parent, name, kFlags));
  if (!fd.ok() && errno == EACCES && fchmodat(parent, name, S_IRWXU, AT_SYMLINK_NOFOLLOW) == 0) {
    fd = Fd(openat(parent, name, kFlags));
  }
  if (fd.ok() && !SameMount(parent, fd.get())) {
    errno = EBUSY;
    return Fd();
  }
  struct stat st;
  if (fd.ok() && fstat(fd.get(), &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU) {
    // Should this fail, then so does the removal, which says it better.
    [[maybe_unused]] const int ignored = fchmod(fd.get(), S_IRWXU);
  }
  return fd;
}

// Removes `name` in `parent`, whatever it is. `path` is for messages.
absl::Status RemoveEntry(int parent, const std::string& name, std::string_view path, int depth) {
  if (depth > kTreeDepthMax) return TooDeep(path);
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  // Linux says EISDIR for a directory; POSIX, and some FUSE servers, EPERM.
  if (errno != EISDIR && errno != EPERM) return ErrnoStatus(errno, "remove", path);
  Fd fd = OpenForRemoval(parent, name.c_str());
  if (!fd.ok()) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "open", path);
  }
  const auto names = Names(Reopen(fd.get()), path, std::vector<std::string>().max_size());
  if (!names.ok()) return names.status();
  for (const std::string& child : *names) {
    const absl::Status removed = RemoveEntry(fd.get(), child, Join(path, child), depth + 1);
    if (!removed.ok()) return removed;
  }
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "remove", path);
}

// One call of ListFiles.
struct Listing {
  int64_t entries_left;
  const std::function<absl::Status(std::string_view, const struct stat&)>& visit;
  const std::function<absl::Status(std::string_view, const struct stat&)>& other;

  absl::Status List(Fd directory, const std::string& path, int depth);
  absl::Status Entry(int directory, const std::string& name, const std::string& path, int depth);
};

absl::Status Listing::List(Fd directory, const std::string& path, int depth) {
  if (depth > kTreeDepthMax) return TooDeep(path);
  const auto names = Names(Reopen(directory.get()), path, entries_left);
  if (!names.ok()) return names.status();
  entries_left -= static_cast<int64_t>(names->size());
  for (const std::string& name : *names) {
    const absl::Status seen = Entry(directory.get(), name, Join(path, name), depth);
    if (!seen.ok()) return seen;
  }
  return absl::OkStatus();
}

absl::Status Listing::Entry(int directory, const std::string& name, const std::string& path,
                            int depth) {
  struct stat st;
  if (fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "stat", path);
  }
  if (S_ISREG(st.st_mode)) return visit(path, st);
  if (!S_ISDIR(st.st_mode)) return other ? other(path, st) : absl::OkStatus();
  Fd fd(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "open", path);
  return List(std::move(fd), path, depth + 1);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

int Fd::Release() { return std::exchange(fd_, -1); }

void Fd::Reset() {
  const int fd = Release();
  if (fd < 0) return;
  const int error = errno;  // so that errno may be looked at after an Fd went out of scope
  close(fd);
  errno = error;
}

absl::Status ErrnoStatus(int error, std::string_view doing, std::string_view path) {
  const char* text = strerrordesc_np(error);
  const std::string message =
      StrCat("cannot ", doing, " \"", Display(path),
             "\": ", text == nullptr ? StrCat("error ", error) : std::string(text), Cure(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<Fd> OpenRoot(const std::string& absolute_path) {
  if (absolute_path.empty() || absolute_path[0] != '/') {
    return absl::InvalidArgumentError(
        StrCat("\"", Display(absolute_path), "\" is not an absolute path; start it with '/'"));
  }
  Fd fd(open(absolute_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open directory", absolute_path);
  return fd;
}

absl::StatusOr<Fd> OpenBeneath(int root, std::string_view path, int flags, mode_t mode) {
  if (absl::Status valid = CheckRelativePath(path); !path.empty() && !valid.ok()) return valid;
  Fd fd(Resolve(root, path.empty() ? "." : std::string(path), flags, mode));
  if (!fd.ok()) return OpenError(errno, path);
  return fd;
}

absl::StatusOr<Fd> OpenFileBeneath(int root, std::string_view path, int flags, mode_t mode) {
  if (absl::Status valid = CheckRelativePath(path); !valid.ok()) return valid;
  const std::string name(path);
  for (int attempt = 1;; ++attempt) {
    const Fd found(Resolve(root, name, O_PATH | O_NOFOLLOW, 0));
    Fd fd;
    if (found.ok()) {
      struct stat st;
      if (fstat(found.get(), &st) != 0) return ErrnoStatus(errno, "stat", path);
      if (!S_ISREG(st.st_mode)) return NotAFile(path, st.st_mode);
      fd = OpenAgain(found.get(), flags & ~O_CREAT);
    } else if (errno == ENOENT && (flags & O_CREAT) != 0) {
      fd = Fd(Resolve(root, name, flags | O_EXCL | O_NOFOLLOW, mode));
    }
    if (fd.ok()) return fd;
    const bool changed = errno == ESTALE || errno == EEXIST;
    if (!changed || attempt >= kFileAttemptsMax) return OpenError(errno, path);
  }
}

absl::StatusOr<struct stat> StatBeneath(int root, std::string_view path) {
  if (absl::Status valid = CheckRelativePath(path); !path.empty() && !valid.ok()) return valid;
  struct stat st;
  if (path.find('/') == std::string_view::npos) {
    // Nothing is on the way.
    const std::string name(path);
    const int flags = AT_SYMLINK_NOFOLLOW | (name.empty() ? AT_EMPTY_PATH : 0);
    if (fstatat(root, name.c_str(), &st, flags) != 0) return ErrnoStatus(errno, "stat", path);
    return st;
  }
  const absl::StatusOr<Fd> found = OpenBeneath(root, path, O_PATH | O_NOFOLLOW);
  if (!found.ok()) return found.status();
  if (fstat(found->get(), &st) != 0) return ErrnoStatus(errno, "stat", path);
  return st;
}

std::string_view KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "a regular file";
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a named pipe";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

void ForceResolving(Resolving resolving) { by_components = resolving == Resolving::kByComponents; }

absl::Status MakeDirectories(int root, std::string_view path, mode_t mode, bool sync) {
  if (path.empty()) return absl::OkStatus();
  const absl::Status good = CheckRelativePath(path);
  if (!good.ok()) return good;
  auto parent = OpenBeneath(root, "", O_PATH | O_DIRECTORY);
  if (!parent.ok()) return parent.status();
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string name(path.substr(start, end - start));
    const std::string_view so_far = path.substr(0, end);
    if (mkdirat(parent->get(), name.c_str(), mode) == 0) {
      const absl::Status synced =
          sync ? SyncDirectory(parent->get(), DirName(so_far)) : absl::OkStatus();
      if (!synced.ok()) return synced;
    } else if (errno != EEXIST) {
      return ErrnoStatus(errno, "make directory", so_far);
    }
    auto child = OpenBeneath(parent->get(), name, O_PATH | O_DIRECTORY);
    if (!child.ok()) {
      return absl::Status(child.status().code(), StrCat("directory \"", Display(so_far),
                                                        "\": ", child.status().message()));
    }
    parent = std::move(child);
    start = end + 1;
  }
  return absl::OkStatus();
}

absl::Status RemoveTree(int root, std::string_view path) {
  const absl::Status good = CheckRelativePath(path);
  if (!good.ok()) return good;
  const auto parent = OpenBeneath(root, DirName(path), O_PATH | O_DIRECTORY);
  if (absl::IsNotFound(parent.status())) return absl::OkStatus();
  if (!parent.ok()) return parent.status();
  return RemoveEntry(parent->get(), std::string(BaseName(path)), path, 0);
}

absl::Status RemoveIfEmpty(int root, std::string_view path) {
  const absl::Status good = CheckRelativePath(path);
  if (!good.ok()) return good;
  const auto parent = OpenBeneath(root, DirName(path), O_PATH | O_DIRECTORY);
  if (absl::IsNotFound(parent.status())) return absl::OkStatus();
  if (!parent.ok()) return parent.status();
  const std::string name(BaseName(path));
  if (unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT ||
      errno == ENOTEMPTY || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "remove", path);
}

absl::Status ListFiles(
    int root, std::string_view dir, int64_t entries_max,
    const std::function<absl::Status(std::string_view path, const struct stat&)>& visit,
    const std::function<absl::Status(std::string_view path, const struct stat&)>& other) {
  auto directory = OpenBeneath(root, dir, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  Listing listing{std::max<int64_t>(0, entries_max), visit, other};
  return listing.List(*std::move(directory), "", 0);
}

absl::StatusOr<Digest> DigestFile(int fd) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("OpenSSL has no SHA-256; check its configuration");
  }
  std::vector<char> buffer(kDigestBufferBytes);
  Digest digest;
  while (true) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), digest.size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", "file to be hashed");
    if (got == 0) break;
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got));
    digest.size += got;
  }
  digest.sha256.resize(32);
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.sha256.data()),
                     nullptr);
  return digest;
}

int64_t MtimeNs(const struct stat& st) {
  return int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
}

}  // namespace closewrite
