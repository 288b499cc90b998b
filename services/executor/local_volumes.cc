#include "services/executor/local_volumes.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <system_error>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

absl::Status Explain(const absl::Status& status, std::string_view volume, std::string_view cure) {
  return absl::Status(status.code(),
                      StrCat("volumes: ", volume, ": ", ToStd(status.message()), "; ", cure));
}

// With a '/' at its end, and without symlinks as far as it exists.
std::string Canonical(const std::string& path) {
  std::error_code error;
  std::string canonical = fs::weakly_canonical(path, error).string();
  if (error) canonical = path;
  if (canonical.empty() || canonical.back() != '/') canonical.push_back('/');
  return canonical;
}

bool Lies(const std::string& inner, const std::string& outer) {
  return inner.compare(0, outer.size(), outer) == 0;
}

absl::Status CheckVolume(const std::string& name, const LocalVolume& volume) {
  const auto root = OpenRoot(volume.root);
  if (!root.ok()) return Explain(root.status(), name, "mount it, or correct its path");
  const auto listing = OpenBeneath(root->get(), "", O_RDONLY | O_DIRECTORY);
  if (!listing.ok()) {
    return Explain(listing.status(), name, "let the executor's user read it");
  }
  if (volume.read_only) return absl::OkStatus();
  constexpr std::string_view kCure =
      "let the executor's user write to it, or say `read_only: true` when it is only read here";
  const std::string staging = StrCat(kPrivateDir, "/staging");
  const absl::Status made = MakeDirectories(root->get(), staging);
  if (!made.ok()) return Explain(made, name, kCure);
  const auto folder = OpenBeneath(root->get(), staging, O_PATH | O_DIRECTORY);
  if (!folder.ok()) return Explain(folder.status(), name, kCure);
  if (faccessat(folder->get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return Explain(ErrnoStatus(errno, "write to", StrCat(volume.root, "/", staging)), name, kCure);
  }
  return absl::OkStatus();
}

}  // namespace

LocalVolumes VolumesOf(const v1::ExecutorConfig& config) {
  LocalVolumes volumes;
  for (const auto& [name, mount] : config.volumes()) {
    std::string root = mount.path();
    while (root.size() > 1 && root.back() == '/') root.pop_back();
    volumes[name] = {.root = root, .read_only = mount.read_only()};
  }
  return volumes;
}

absl::Status CheckVolumes(LocalVolumes* volumes) {
  for (auto& [name, volume] : *volumes) {
    absl::Status status = CheckVolume(name, volume);
    if (!status.ok()) return status;
    if (const auto mount = FindMount(volume.root); mount.ok()) {
      volume.mounted_on = mount->mount_point;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckStateOutside(const std::string& state, const LocalVolumes& volumes) {
  for (const auto& [name, volume] : volumes) {
    const std::string root = Canonical(volume.root);
    const std::string directory = Canonical(state);
    if (Lies(directory, root) || Lies(root, directory)) {
      return absl::InvalidArgumentError(StrCat("state: ", Display(state), " and volume ", name,
                                               " (", Display(volume.root),
                                               ") lie in one another; choose a state directory "
                                               "outside of all volumes"));
    }
  }
  return absl::OkStatus();
}

}  // namespace closewrite::executor
