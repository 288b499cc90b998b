#include "services/executor/mount_probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/clock/clock.h"
#include "services/config/duration.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/mount.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

v1::VolumeHealth Named(const std::string& volume, const LocalVolume& local) {
  v1::VolumeHealth health;
  health.set_volume(volume);
  health.set_root(Display(local.root));
  health.set_read_only(local.read_only);
  return health;
}

// Makes and removes a directory where results are staged. Watchers leave it alone: it is not named
// as a job. What holds it was made when the executor started: nothing is made in a folder that
// nothing is mounted on any more, where nobody would find it.
absl::Status TryStaging(int root, const LocalVolume& local, const std::string& name) {
  const std::string staging = StrCat(kPrivateDir, "/staging");
  absl::StatusOr<Fd> folder = OpenBeneath(root, staging, O_PATH | O_DIRECTORY);
  if (absl::IsNotFound(folder.status())) {
    const absl::StatusOr<Mount> mount = FindMount(local.root);
    if (!mount.ok() || mount->mount_point != local.mounted_on) {
      return absl::NotFoundError(StrCat("it has no ", staging, ": is it still mounted?"));
    }
    const absl::Status made = MakeDirectories(root, staging);
    if (!made.ok()) return made;
    folder = OpenBeneath(root, staging, O_PATH | O_DIRECTORY);
  }
  if (!folder.ok()) return folder.status();
  const std::string test = StrCat("test-of-", name);
  if (mkdirat(folder->get(), test.c_str(), 0777) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "make", Join(staging, test));
  }
  // Several may look at once.
  const bool removed = unlinkat(folder->get(), test.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
  return removed ? absl::OkStatus() : ErrnoStatus(errno, "remove", Join(staging, test));
}

absl::Status Look(const LocalVolume& local, const std::string& name, v1::VolumeHealth* health) {
  const absl::StatusOr<Fd> root = OpenRoot(local.root);
  if (!root.ok()) return root.status();
  struct statvfs space;
  if (fstatvfs(root->get(), &space) != 0) return ErrnoStatus(errno, "look at", local.root);
  const auto block = static_cast<int64_t>(space.f_frsize);
  health->set_free_bytes(block * static_cast<int64_t>(space.f_bavail));
  health->set_total_bytes(block * static_cast<int64_t>(space.f_blocks));
  if (const absl::StatusOr<Mount> mount = FindMount(local.root); mount.ok()) {
    health->set_file_system(mount->type);
  }
  const absl::StatusOr<Fd> listing = OpenBeneath(root->get(), "", O_RDONLY | O_DIRECTORY);
  if (!listing.ok()) return listing.status();
  return local.read_only ? absl::OkStatus() : TryStaging(root->get(), local, name);
}

}  // namespace

v1::VolumeHealth ProbeVolume(const std::string& volume, const LocalVolume& local,
                             const std::string& name) {
  v1::VolumeHealth health = Named(volume, local);
  if (const absl::Status status = Look(local, name, &health); !status.ok()) {
    health.set_problem(std::string(status.message()));
  }
  *health.mutable_checked_at() = ToProto(WallTime());
  return health;
}

struct MountProbe::State {
  std::string name;
  std::vector<std::pair<std::string, LocalVolume>> volumes;
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::vector<v1::VolumeHealth> found ABSL_GUARDED_BY(mutex);
};

MountProbe::MountProbe(const LocalVolumes& volumes, const std::string& name)
    : state_(std::make_shared<State>()) {
  state_->name = name;
  {
    absl::MutexLock lock(&state_->mutex);
    for (const auto& [volume, local] : volumes) {
      state_->volumes.emplace_back(volume, local);
      state_->found.push_back(Named(volume, local));
    }
  }
  for (size_t i = 0; i < state_->volumes.size(); ++i) std::thread(Run, state_, i).detach();
}

MountProbe::~MountProbe() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

std::vector<v1::VolumeHealth> MountProbe::Volumes() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->found;
}

std::string MountProbe::Look(const std::string& volume) {
  for (size_t i = 0; i < state_->volumes.size(); ++i) {
    const auto& [name, local] = state_->volumes[i];
    if (name != volume) continue;
    v1::VolumeHealth health = ProbeVolume(name, local, state_->name);
    std::string problem = health.problem();
    absl::MutexLock lock(&state_->mutex);
    state_->found[i] = std::move(health);
    return problem;
  }
  return "";
}

void MountProbe::Run(std::shared_ptr<State> state, size_t index) {
  const auto& [volume, local] = state->volumes[index];
  std::string problem;
  while (true) {
    v1::VolumeHealth health = ProbeVolume(volume, local, state->name);
    if (health.problem() != problem) {
      problem = health.problem();
      if (problem.empty()) {
        LogInfo("volume is well again", {{"volume", volume}});
      } else {
        LogWarn("volume can't be used", {{"volume", volume}, {"error", problem}});
      }
    }
    absl::MutexLock lock(&state->mutex);
    state->found[index] = std::move(health);
    const absl::Duration pause = problem.empty() ? kProbePause : kProbePauseUnwell;
    if (state->mutex.AwaitWithTimeout(absl::Condition(&state->closed), pause)) return;
  }
}

}  // namespace closewrite::executor
