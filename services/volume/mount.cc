#include "services/volume/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

// A host with more mounts than this is beyond what this code was made for.
constexpr int kMountLinesMax = 100'000;

constexpr int64_t kFuse = 0x65735546;

// File systems by statfs(2) f_type; most numbers stand in linux/magic.h, the others in the sources
// of their file systems.
struct KnownKind {
  int64_t magic;
  std::string_view name;
};

// On one host only, with one kernel that sees all writes. overlay: the merged directory sees what
// is written through it (as containers do), not what is written straight to an upper directory.
constexpr KnownKind kLocal[] = {
    {0xEF53, "ext4"},        {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
    {0x858458F6, "ramfs"},   {0x2FC12FC1, "zfs"}, {0xF2F52010, "f2fs"},  {0xCA451A4E, "bcachefs"},
    {0x794C7630, "overlay"}, {0x3153464A, "jfs"}, {0x4D44, "vfat"},      {0x2011BAB0, "exfat"},
    {0x7366746E, "ntfs3"},
};

// Shared between hosts.
constexpr KnownKind kShared[] = {
    {0x6969, "nfs"},        {0xFF534D42, "cifs"},     {0xFE534D42, "smb2"},
    {0x517B, "smb"},        {0x01021997, "9p"},       {0x00C36400, "ceph"},
    {0x5346414F, "afs"},    {0x6B414653, "afs"},      {0x0BD00BD0, "lustre"},
    {0x47504653, "gpfs"},   {0x7461636F, "ocfs2"},    {0x01161970, "gfs2"},
    {0x19830326, "beegfs"}, {0x20030528, "orangefs"}, {0x786F4256, "vboxsf"},
    {0xBACBACBC, "vmhgfs"}, {0x73757245, "coda"},     {kFuse, "fuse"},
};

const KnownKind* Find(const KnownKind* begin, const KnownKind* end, int64_t magic) {
  const auto* found =
      std::find_if(begin, end, [&](const KnownKind& kind) { return kind.magic == magic; });
  return found == end ? nullptr : found;
}

// mountinfo writes space, tab, newline and backslash as `\040` and so on (proc(5)).
std::string Unescape(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw` (proc(5)). False for another
// id.
bool ParseLine(const std::string& line, uint64_t id, Mount* mount) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
  uint64_t line_id = 0;
  if (fields.size() < 5 || !absl::SimpleAtoi(fields[0], &line_id) || line_id != id) return false;
  mount->mount_point = Unescape(ToStd(fields[4]));
  const auto dash = std::find(fields.begin() + 5, fields.end(), "-");
  if (fields.end() - dash >= 2) mount->type = Unescape(ToStd(dash[1]));
  if (fields.end() - dash >= 3) mount->source = Unescape(ToStd(dash[2]));
  return true;
}

// statx(2) tells the mount's id since Linux 5.8, fdinfo since 3.15 (proc(5)).
absl::StatusOr<uint64_t> MountId(int fd, const std::string& path) {
  struct statx stx;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 && (stx.stx_mask & STATX_MNT_ID) != 0) {
    return stx.stx_mnt_id;
  }
  std::ifstream info(absl::StrCat("/proc/self/fdinfo/", fd));
  std::string word;
  uint64_t id = 0;
  while (info >> word) {
    if (word == "mnt_id:" && info >> id) return id;
  }
  return absl::UnavailableError(StrCat("cannot tell on which mount \"", Display(path),
                                       "\" lies; make /proc available to this process"));
}

// Of a file system whose line mountinfo lacks, as in a chroot(2) whose root is no mount point.
std::string_view NameOf(int64_t magic) {
  const KnownKind* kind = Find(std::begin(kLocal), std::end(kLocal), magic);
  if (kind == nullptr) kind = Find(std::begin(kShared), std::end(kShared), magic);
  return kind == nullptr ? "unknown" : kind->name;
}

}  // namespace

absl::StatusOr<Mount> FindMount(const std::string& absolute_path) {
  if (absolute_path.empty() || absolute_path[0] != '/') {
    return absl::InvalidArgumentError(
        StrCat("\"", Display(absolute_path), "\" is not an absolute path; start it with '/'"));
  }
  // O_DIRECTORY makes an automounter mount what belongs there.
  const Fd fd(open(absolute_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() && errno == ENOTDIR) {
    return absl::InvalidArgumentError(
        StrCat("\"", Display(absolute_path), "\" is not a directory; name the folder"));
  }
  if (!fd.ok()) return ErrnoStatus(errno, "open directory", absolute_path);
  struct statfs fs;
  if (fstatfs(fd.get(), &fs) != 0) return ErrnoStatus(errno, "examine", absolute_path);
  const auto id = MountId(fd.get(), absolute_path);
  if (!id.ok()) return id.status();

  Mount mount;
  mount.magic = static_cast<int64_t>(static_cast<uint32_t>(fs.f_type));
  mount.id = *id;
  std::ifstream mountinfo("/proc/self/mountinfo");
  std::string line;
  for (int lines = 0; lines < kMountLinesMax && std::getline(mountinfo, line); ++lines) {
    if (ParseLine(line, mount.id, &mount)) break;
  }
  if (mount.type.empty()) mount.type = NameOf(mount.magic);
  return mount;
}

std::vector<std::string> MountsBelow(const std::string& absolute_path) {
  const std::string prefix = absolute_path == "/" ? "/" : StrCat(absolute_path, "/");
  std::vector<std::string> mounts;
  std::ifstream mountinfo("/proc/self/mountinfo");
  std::string line;
  for (int lines = 0; lines < kMountLinesMax && std::getline(mountinfo, line); ++lines) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 5) continue;
    const std::string point = Unescape(ToStd(fields[4]));
    if (point.size() > prefix.size() && point.compare(0, prefix.size(), prefix) == 0) {
      mounts.push_back(StrCat(fields[0], " ", point));
    }
  }
  std::sort(mounts.begin(), mounts.end());
  return mounts;
}

absl::Status CheckLocal(const Mount& mount, const std::string& absolute_path) {
  const std::string what =
      StrCat(Display(absolute_path), " is ", Display(mount.type),
             mount.source.empty() ? "" : StrCat(" from ", Display(mount.source)));
  // ntfs-3g and the like: FUSE on a local block device.
  const bool block_device = mount.type == "fuseblk" && mount.source.rfind("/dev/", 0) == 0;
  if (block_device || Find(std::begin(kLocal), std::end(kLocal), mount.magic) != nullptr) {
    return absl::OkStatus();
  }
  if (Find(std::begin(kShared), std::end(kShared), mount.magic) != nullptr) {
    return absl::FailedPreconditionError(
        StrCat(what, ": inotify here does not see what other hosts write; run the watcher on the ",
               "host that holds the files, or set poll: 5s on the volume to list it every 5 s"));
  }
  return absl::FailedPreconditionError(StrCat(what, " (f_type 0x", absl::Hex(mount.magic),
                                              "): whether inotify here sees every write ",
                                              "is not known; use a folder on ext4, xfs, btrfs, "
                                              "zfs, f2fs or tmpfs, or set poll: 5s on the volume"));
}

}  // namespace closewrite
