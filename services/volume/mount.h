// What kind of file system a folder lies on, and whether its local inotify sees all writes.
#ifndef SERVICES_VOLUME_MOUNT_H_
#define SERVICES_VOLUME_MOUNT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace closewrite {

struct Mount {
  std::string type;         // as /proc/self/mountinfo names it, such as "ext4" or "fuse.sshfs"
  std::string source;       // such as "vm-a:/srv/enriched"
  std::string mount_point;  // absolute
  int64_t magic = 0;        // statfs(2) f_type
  uint64_t id = 0;          // mount id, as in mountinfo
};

// The mount that `absolute_path` lies on. NOT_FOUND when it does not exist; NOT_A_DIRECTORY is
// INVALID_ARGUMENT.
absl::StatusOr<Mount> FindMount(const std::string& absolute_path);

// What is mounted strictly below a directory: `id mount-point` of each, sorted. Changes when
// something is mounted or unmounted there. `absolute_path` has no links in it.
std::vector<std::string> MountsBelow(const std::string& absolute_path);

// OK when inotify on this host sees every write to the mount. FAILED_PRECONDITION for NFS, CIFS,
// SMB2, 9p, FUSE (sshfs), Ceph, Lustre, AFS and other kinds that hosts share, and for kinds that
// are not known; the message names the type, where it is mounted from, and the cure.
absl::Status CheckLocal(const Mount& mount, const std::string& absolute_path);

}  // namespace closewrite

#endif  // SERVICES_VOLUME_MOUNT_H_
