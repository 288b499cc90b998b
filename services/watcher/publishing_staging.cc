// The staging directories of a volume.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"
#include "services/watcher/publishing.h"
#include "services/watcher/volume_root.h"

namespace closewrite::watcher {
namespace {

constexpr char kStagingRoot[] = ".closewrite/staging";
// A name in it that is neither is not ours.
constexpr int64_t kNotANumber = -1;

int64_t Number(std::string_view name) {
  int64_t number = 0;
  if (name.empty() || name[0] < '0' || name[0] > '9') return kNotANumber;
  return absl::SimpleAtoi(ToAbsl(name), &number) ? number : kNotANumber;
}

// Numbered directories in a directory.
absl::StatusOr<std::vector<int64_t>> ListNumbers(int root, std::string_view path) {
  absl::StatusOr<Fd> directory = OpenBeneath(root, path, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(directory.status())) return std::vector<int64_t>();
  if (!directory.ok()) return directory.status();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(directory->get()), closedir);
  if (stream == nullptr) return ErrnoStatus(errno, "list", path);
  directory->Release();
  std::vector<int64_t> numbers;
  while (const dirent* entry = readdir(stream.get())) {
    const int64_t number = Number(entry->d_name);
    if (number != kNotANumber) numbers.push_back(number);
  }
  return numbers;
}

std::optional<absl::Time> ChangedAt(int root, std::string_view path) {
  const absl::StatusOr<Fd> fd = OpenBeneath(root, path, O_PATH | O_DIRECTORY);
  struct stat st;
  if (!fd.ok() || fstat(fd->get(), &st) != 0) return std::nullopt;
  return absl::TimeFromTimespec(st.st_mtim);
}

}  // namespace

absl::Status CheckStaging(int root) {
  const absl::StatusOr<MountIdentity> volume = IdentifyMount(root);
  if (!volume.ok()) return volume.status();
  for (const std::string_view path : {kPrivateDir, std::string_view(kStagingRoot)}) {
    const absl::StatusOr<Fd> directory = OpenBeneath(root, path, O_PATH | O_DIRECTORY);
    // It is made when it is needed, on the root's file system.
    if (absl::IsNotFound(directory.status())) return absl::OkStatus();
    if (!directory.ok()) return directory.status();
    const absl::StatusOr<MountIdentity> mount = IdentifyMount(directory->get());
    if (!mount.ok()) return mount.status();
    if (mount->device == volume->device && mount->mount == volume->mount) continue;
    return absl::FailedPreconditionError(
        StrCat(path,
               " is a mount of its own, so that nothing can be renamed from it into the "
               "volume; unmount it there, or say `read_only: true` for the volume"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PublishKey>> ListStaging(int root, absl::Time before,
                                                    size_t directories_max) {
  const absl::StatusOr<std::vector<int64_t>> jobs = ListNumbers(root, kStagingRoot);
  if (!jobs.ok()) return jobs.status();
  std::vector<PublishKey> keys;
  for (const int64_t job : *jobs) {
    const std::string directory = StrCat(kStagingRoot, "/", job);
    const absl::StatusOr<std::vector<int64_t>> tokens = ListNumbers(root, directory);
    if (!tokens.ok()) return tokens.status();
    for (const int64_t token : *tokens) {
      if (keys.size() >= directories_max) return keys;
      const std::optional<absl::Time> changed = ChangedAt(root, StagingPath(job, token));
      if (changed.has_value() && *changed < before) keys.push_back({job, token});
    }
    const std::optional<absl::Time> changed = ChangedAt(root, directory);
    if (tokens->empty() && changed.has_value() && *changed < before) {
      RemoveIfEmpty(root, directory).IgnoreError();
    }
  }
  return keys;
}

absl::Status RemoveStaging(int root, const PublishKey& key) {
  const std::string staging = StagingPath(key.job, key.token);
  absl::Status removed = RemoveTree(root, staging);
  if (!removed.ok()) return removed;
  // That of the job goes with its last token.
  RemoveIfEmpty(root, DirName(staging)).IgnoreError();
  return absl::OkStatus();
}

}  // namespace closewrite::watcher
