// A shared folder on its home's disk.
#ifndef TESTS_SIMULATION_VOLUME_MODEL_H_
#define TESTS_SIMULATION_VOLUME_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "tests/simulation/network.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What a kernel tells about a name.
enum class FileChange { kClosed, kMovedIn, kRemoved, kTimesSet };

// Not thread-safe.
class VolumeModel {
 public:
  struct File {
    FileVersion version;
    bool open = false;  // somebody writes
    absl::Duration changed_at;
  };
  using Listener = std::function<void(const std::string& path, FileChange change)>;

  VolumeModel(World* world, std::string name, HostId home)
      : world_(*world), name_(std::move(name)), home_(home) {}

  const std::string& name() const { return name_; }
  HostId home() const { return home_; }
  // There is one, or none while no watcher runs.
  void Listen(Listener listener) { listener_ = std::move(listener); }
  // What the clocks of those who write here are wrong by.
  void SetSkew(absl::Duration skew) { skew_ = skew; }

  // A file that is opened for writing is another version at once, and again when it is closed.
  void BeginWrite(const std::string& path);
  void EndWrite(const std::string& path);
  // A whole new file takes the name.
  void MoveIn(const std::string& path);
  void Remove(const std::string& path);
  // The same content under a new mtime.
  void SetTimes(const std::string& path);
  const std::map<std::string, File>& files() const { return files_; }
  const File* Find(const std::string& path) const;

  // What executors have left to be published; durable, as they sync it.
  void Stage(const Lease& lease, const std::string& path);
  bool IsStaged(const Lease& lease, const std::string& path) const;
  // What stands under the name is what was staged there; a real publisher tells by the hash.
  bool IsPublished(const Lease& lease, const std::string& path) const {
    const auto found = published_.find(path);
    return found != published_.end() && found->second == lease && files_.contains(path);
  }
  void RemoveStaging(const Lease& lease);
  // Of those that were not touched since.
  std::vector<Lease> StagedBefore(absl::Duration before) const;

  // Renames a staged file to its final name.
  void Publish(const Lease& lease, const std::string& path);
  // What was renamed before survives the power.
  void Sync() { unsynced_.clear(); }
  // Takes back some of the newest renames that are not synced. Called with each.
  void CutPower(const std::function<void(const Lease&, const std::string&)>& undone);

 private:
  struct Staging {
    std::map<std::string, bool> paths;
    absl::Duration touched_at;
  };
  struct Rename {
    Lease lease;
    std::string path;
    std::optional<File> before;
  };

  FileVersion NewVersion(const std::string& path, uint64_t inode);
  void Tell(const std::string& path, FileChange change) {
    if (listener_) listener_(path, change);
  }

  World& world_;
  const std::string name_;
  const HostId home_;
  Listener listener_;
  absl::Duration skew_;
  uint64_t inodes_ = 0;
  int64_t versions_ = 0;
  std::map<std::string, File> files_;
  std::map<Lease, Staging> staging_;
  std::vector<Rename> unsynced_;
  std::map<std::string, Lease> published_;  // by whom last
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_VOLUME_MODEL_H_
