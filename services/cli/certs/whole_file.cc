#include "services/cli/certs/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "services/access/certificate.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr mode_t kPrivateFolderMode = 0700;
constexpr mode_t kModeBits = 07777;
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().native();
  return folder.empty() ? "." : folder;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0;
}

// Gives `fd` the owner and the mode that the file at `path` has; `mode` where there is none.
absl::Status TakeRights(int fd, const std::string& path, mode_t mode, IfThere if_there) {
  struct stat old = {};
  struct stat own = {};
  const bool there = lstat(path.c_str(), &old) == 0;
  if (there && if_there == IfThere::kRefuse) {
    return absl::AlreadyExistsError(StrCat(Display(path), " exists"));
  }
  if (there && !S_ISREG(old.st_mode)) {
    return absl::FailedPreconditionError(StrCat(Display(path), " is no plain file; name that one"));
  }
  if (fstat(fd, &own) != 0) return ErrnoStatus(errno, "stat the file beside", path);
  if (there && (own.st_uid != old.st_uid || own.st_gid != old.st_gid) &&
      fchown(fd, old.st_uid, old.st_gid) != 0) {
    return ErrnoStatus(errno, "keep the owner of", path);
  }
  if (fchmod(fd, there ? old.st_mode & kModeBits : mode) != 0) {
    return ErrnoStatus(errno, "set the mode of", path);
  }
  return absl::OkStatus();
}

bool Rename(const std::string& from, const std::string& to, IfThere if_there) {
  if (if_there == IfThere::kReplace) return rename(from.c_str(), to.c_str()) == 0;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  // Not all file systems can do that; TakeRights has looked a moment ago.
  return errno == EINVAL && rename(from.c_str(), to.c_str()) == 0;
}

absl::Status SyncFolder(const std::string& folder) {
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || fsync(fd.get()) != 0) return ErrnoStatus(errno, "sync the folder", folder);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteWhole(const std::string& path, std::string_view bytes, mode_t mode,
                        IfThere if_there) {
  std::string temporary = StrCat(path, ".XXXXXX");
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));  // with the mode 0600
  if (!fd.ok()) return ErrnoStatus(errno, "make a file beside", path);
  absl::Cleanup remove = [&] { unlink(temporary.c_str()); };
  if (absl::Status s = TakeRights(fd.get(), path, mode, if_there); !s.ok()) return s;
  if (!WriteAll(fd.get(), bytes)) return ErrnoStatus(errno, "write", path);
  if (!Rename(temporary, path, if_there)) {
    if (errno == EEXIST) return absl::AlreadyExistsError(StrCat(Display(path), " exists"));
    return ErrnoStatus(errno, "write", path);
  }
  std::move(remove).Cancel();
  return SyncFolder(FolderOf(path));
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // it might be a pipe
  struct stat st = {};
  if (!fd.ok() || fstat(fd.get(), &st) != 0) return ErrnoStatus(errno, "open", path);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(StrCat(Display(path), " is no plain file"));
  }
  if (st.st_size > static_cast<off_t>(kPemBytesMax)) {
    return absl::FailedPreconditionError(
        StrCat(Display(path), " has more than ", kPemBytesMax, " bytes"));
  }
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = read(fd.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

absl::Status CheckPrivate(const std::string& path) {
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, "stat", path);
  if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(Display(path), " is open to others; say `chmod 600 ",
                                              Display(path), "`, and ask who may have read it"));
}

absl::Status MakePrivateFolder(const std::string& name) {
  std::string path = name;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  std::error_code error;
  std::filesystem::create_directories(FolderOf(path), error);
  if (error) return ErrnoStatus(error.value(), "make the folder of", path);
  if (mkdir(path.c_str(), kPrivateFolderMode) == 0) return SyncFolder(FolderOf(path));
  struct stat st = {};
  if (errno != EEXIST || stat(path.c_str(), &st) != 0) {
    return ErrnoStatus(errno, "make the folder", path);
  }
  if (!S_ISDIR(st.st_mode)) {
    return absl::FailedPreconditionError(StrCat(Display(path), " is no folder"));
  }
  if ((st.st_mode & kOthersWrite) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("others may write to ", Display(path), "; say `chmod go-w ", Display(path), "`"));
}

bool IsThere(const std::string& path) {
  struct stat st = {};
  return lstat(path.c_str(), &st) == 0;
}

}  // namespace closewrite::cli
