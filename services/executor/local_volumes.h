// The volumes that this host has mounted.
#ifndef SERVICES_EXECUTOR_LOCAL_VOLUMES_H_
#define SERVICES_EXECUTOR_LOCAL_VOLUMES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "closewrite/v1/config.pb.h"

namespace closewrite::executor {

struct LocalVolume {
  std::string root;        // absolute
  bool read_only = false;  // nothing is published into it
  // Where the file system that it lay on was mounted when the executor started; "": not known.
  std::string mounted_on;
};

using LocalVolumes = std::map<std::string, LocalVolume>;

LocalVolumes VolumesOf(const v1::ExecutorConfig& config);

// Reads the root of each volume, notes where it is mounted, and makes the staging folder in those
// that are not read-only. One sentence that names the volume and the cure for the first that is not
// as configured.
absl::Status CheckVolumes(LocalVolumes* volumes);

// INVALID_ARGUMENT when `state` lies in a volume or a volume lies in it: what an executor writes
// for itself must never be an event.
absl::Status CheckStateOutside(const std::string& state, const LocalVolumes& volumes);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LOCAL_VOLUMES_H_
