// The root of a volume, and the proof that it is the right one.
#ifndef SERVICES_WATCHER_VOLUME_ROOT_H_
#define SERVICES_WATCHER_VOLUME_ROOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/volume/file_system.h"

namespace closewrite::watcher {

inline constexpr std::string_view kMarkerPath = ".closewrite/volume";
inline constexpr size_t kMarkerBytes = 16;

// Which file system a directory lies on.
struct MountIdentity {
  uint64_t device = 0;
  uint64_t mount = 0;
  uint64_t inode = 0;
};
absl::StatusOr<MountIdentity> IdentifyMount(int directory);

// An open root. The marker file in it holds the volume's random id, so that an empty mount point is
// never taken for a volume whose files were all deleted.
class VolumeRoot {
 public:
  // Opens the directory and checks that events here tell of all writes to it (CheckLocal), unless
  // `polled`. Codes as OpenRoot and CheckLocal.
  static absl::StatusOr<VolumeRoot> Open(const std::string& path, bool polled = false);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  const MountIdentity& identity() const { return identity_; }
  const std::string& file_system() const { return file_system_; }  // as mountinfo names its type

  // The id in the marker file; NOT_FOUND when there is none, DATA_LOSS when it holds something
  // else.
  absl::StatusOr<std::string> ReadMarker() const;
  // Makes a marker with a new random id, durably, and returns the id.
  absl::StatusOr<std::string> MakeMarker() const;

  // OK while the marker holds `id` and the path still leads to this directory. FAILED_PRECONDITION
  // otherwise; the message is a whole sentence for people.
  absl::Status Check(std::string_view id) const;

 private:
  VolumeRoot() = default;

  std::string path_;
  Fd fd_;
  MountIdentity identity_;
  std::string file_system_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_ROOT_H_
