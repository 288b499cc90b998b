// Whether the volumes that are mounted here answer, and results can be staged in them.
#ifndef SERVICES_EXECUTOR_MOUNT_PROBE_H_
#define SERVICES_EXECUTOR_MOUNT_PROBE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "closewrite/v1/health.pb.h"
#include "services/executor/local_volumes.h"

namespace closewrite::executor {

// Each volume is looked at again after this long; one that can't be used, sooner.
inline constexpr absl::Duration kProbePause = absl::Seconds(10);
inline constexpr absl::Duration kProbePauseUnwell = absl::Seconds(2);

// Looks at each volume in a thread of its own that nobody waits for, since a network mount whose
// server is gone may hang for ever: its `checked_at` then grows old. Thread-safe.
class MountProbe {
 public:
  // `name`: of the executor, which no other has; it stands in the name of what is made as a test.
  MountProbe(const LocalVolumes& volumes, const std::string& name);
  ~MountProbe();

  // As they were found last; before that without `checked_at`.
  std::vector<v1::VolumeHealth> Volumes() const;
  // Looks at one now, in this thread, which may hang as the mount does. Its problem, "" when it is
  // well; Volumes() tells of it at once.
  std::string Look(const std::string& volume);

 private:
  struct State;
  static void Run(std::shared_ptr<State> state, size_t index);

  const std::shared_ptr<State> state_;
};

// One look at a volume. Where its staging folder is missing on the file system on which the volume
// lay when the executor started, as when somebody has emptied it, that is made again; a folder that
// nothing is mounted on any more stays empty.
v1::VolumeHealth ProbeVolume(const std::string& volume, const LocalVolume& local,
                             const std::string& name);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_MOUNT_PROBE_H_
