#include "services/watcher/volume_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "services/log/str_cat.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr std::string_view kStagingRoot = ".closewrite/staging";
constexpr size_t kMarkerFileBytes = 2 * kMarkerBytes + 1;  // hexadecimal, and a newline

// Writes a new file, durably. What has its name goes first, and is not written into: it may be
// somebody's hard link to a file that is no business of ours.
absl::Status WriteDurably(int directory, const std::string& name, std::string_view text) {
  if (absl::Status gone = RemoveTree(directory, name); !gone.ok()) return gone;
  const absl::StatusOr<Fd> fd = OpenBeneath(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (!fd.ok()) return fd.status();
  if (write(fd->get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      fsync(fd->get()) != 0) {
    return ErrnoStatus(errno, "write", name);
  }
  return absl::OkStatus();
}

// Makes a directory that is as open as the root is: executors that mount the volume as another user
// must be able to stage in it.
absl::Status MakeAsOpenAsTheRoot(int root, std::string_view path) {
  if (absl::Status made = MakeDirectories(root, path); !made.ok()) return made;
  const absl::StatusOr<Fd> fd = OpenBeneath(root, path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return fd.status();
  struct stat st;
  if (fstat(root, &st) != 0) return ErrnoStatus(errno, "stat", "the root");
  // The owner first, since a change of it clears mode bits. Only root may give directories away.
  if (geteuid() == 0 && fchown(fd->get(), st.st_uid, st.st_gid) != 0) {
    return ErrnoStatus(errno, "change the owner of", path);
  }
  if (fchmod(fd->get(), st.st_mode & 07777) != 0) {
    return ErrnoStatus(errno, "change the mode of", path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MountIdentity> IdentifyMount(int directory) {
  struct statx st;
  if (statx(directory, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) != 0) {
    return ErrnoStatus(errno, "stat", "directory");
  }
  return MountIdentity{(uint64_t{st.stx_dev_major} << 32) | st.stx_dev_minor, st.stx_mnt_id,
                       st.stx_ino};
}

absl::StatusOr<VolumeRoot> VolumeRoot::Open(const std::string& path, bool polled) {
  const absl::StatusOr<Mount> mount = FindMount(path);
  if (!mount.ok()) return mount.status();
  const absl::Status local = polled ? absl::OkStatus() : CheckLocal(*mount, path);
  if (!local.ok()) return local;
  absl::StatusOr<Fd> fd = OpenRoot(path);
  if (!fd.ok()) return fd.status();
  const absl::StatusOr<MountIdentity> identity = IdentifyMount(fd->get());
  if (!identity.ok()) return identity.status();
  VolumeRoot root;
  root.path_ = path;
  root.fd_ = *std::move(fd);
  root.identity_ = *identity;
  root.file_system_ = mount->type;
  return root;
}

absl::StatusOr<std::string> VolumeRoot::ReadMarker() const {
  const absl::StatusOr<Fd> fd = OpenFileBeneath(fd_.get(), kMarkerPath, O_RDONLY);
  if (!fd.ok()) return fd.status();
  char text[kMarkerFileBytes + 1];
  const ssize_t got = read(fd->get(), text, sizeof(text));
  if (got < 0) return ErrnoStatus(errno, "read", kMarkerPath);
  std::string_view hex(text, static_cast<size_t>(got));
  if (!hex.empty() && hex.back() == '\n') hex.remove_suffix(1);
  const bool valid = hex.size() == 2 * kMarkerBytes &&
                     hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!valid) {
    return absl::DataLossError(
        StrCat(kMarkerPath, " in ", Display(path_), " does not hold a volume's id"));
  }
  return absl::HexStringToBytes(ToAbsl(hex));
}

absl::StatusOr<std::string> VolumeRoot::MakeMarker() const {
  std::string id(kMarkerBytes, '\0');
  if (getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return ErrnoStatus(errno, "getrandom", "");
  }
  absl::Status status = MakeAsOpenAsTheRoot(fd_.get(), kPrivateDir);
  if (status.ok()) status = MakeAsOpenAsTheRoot(fd_.get(), kStagingRoot);
  if (!status.ok()) return status;
  const absl::StatusOr<Fd> directory = OpenBeneath(fd_.get(), kPrivateDir, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  const std::string name(BaseName(kMarkerPath));
  const std::string unfinished = StrCat(name, ".new");
  status = WriteDurably(directory->get(), unfinished, StrCat(absl::BytesToHexString(id), "\n"));
  if (!status.ok()) return status;
  if (renameat(directory->get(), unfinished.c_str(), directory->get(), name.c_str()) != 0 ||
      fsync(directory->get()) != 0) {
    return ErrnoStatus(errno, "make", kMarkerPath);
  }
  return id;
}

absl::Status VolumeRoot::Check(std::string_view id) const {
  const absl::StatusOr<std::string> marker = ReadMarker();
  if (absl::IsNotFound(marker.status())) {
    return absl::FailedPreconditionError(
        StrCat("the marker ", kMarkerPath, " is missing in ", Display(path_),
               ": is the right file system mounted there? (If the folder was emptied on purpose, ",
               "put a file with the line ", absl::BytesToHexString(ToAbsl(id)), " there.)"));
  }
  if (!marker.ok()) return absl::FailedPreconditionError(marker.status().message());
  if (*marker != id) {
    return absl::FailedPreconditionError(StrCat(
        "another volume lies at ", Display(path_), ": its ", kMarkerPath, " holds ",
        absl::BytesToHexString(*marker), " instead of ", absl::BytesToHexString(ToAbsl(id))));
  }
  const absl::StatusOr<Fd> now = OpenRoot(path_);
  if (!now.ok()) return absl::FailedPreconditionError(now.status().message());
  const absl::StatusOr<MountIdentity> identity = IdentifyMount(now->get());
  if (!identity.ok()) return absl::FailedPreconditionError(identity.status().message());
  if (identity->device != identity_.device || identity->inode != identity_.inode ||
      identity->mount != identity_.mount) {
    return absl::FailedPreconditionError(
        StrCat("another directory lies at ", Display(path_), " now than when it was opened"));
  }
  return absl::OkStatus();
}

}  // namespace closewrite::watcher
