// A watcher: notices files, tells of them until it is acknowledged, publishes results.
#ifndef TESTS_SIMULATION_WATCHER_MODEL_H_
#define TESTS_SIMULATION_WATCHER_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/dial.h"
#include "tests/simulation/ledger_model.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/network.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/publisher_model.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What the checks want to know of a watcher.
class WatcherWitness {
 public:
  virtual ~WatcherWitness() = default;
  // Events of a ledger up to `sequence` were acknowledged; `newly` of them are told.
  virtual void OnAcknowledged(const std::string& ledger_id,
                              const std::vector<FileEvent>& newly) = 0;
  virtual void OnRenamed(const Lease& lease, const std::string& volume,
                         const std::string& path) = 0;
  // A power cut took a rename back that was not synced.
  virtual void OnUndone(const Lease& lease, const std::string& volume, const std::string& path) = 0;
  virtual void OnSwept(const Lease& lease) = 0;
  virtual void OnPublishError(const Lease& lease, const std::string& error) = 0;
};

// Not thread-safe.
class WatcherModel {
 public:
  struct Options {
    std::string name;
    World* world = nullptr;
    Network* network = nullptr;
    Dial* dial = nullptr;
    WatcherWitness* witness = nullptr;
    Plant plant = Plant::kNone;
  };
  // None of the pointers is owned.
  explicit WatcherModel(Options options);

  // Its home is this host.
  VolumeModel* AddVolume(const std::string& name);
  const std::map<std::string, VolumeModel*>& volumes() const { return volumes_; }

  void Start();
  void Crash();
  void CutPower();
  void Freeze(absl::Duration duration);

  Part& part() { return part_; }
  HostId host() const { return host_; }
  // What it has not told and had acknowledged yet; "" when it has nothing to do.
  std::string Busy() const;

 private:
  void Scan();
  void Notice(const std::string& volume, const std::string& path, FileChange change);
  void Consider(const std::string& volume, const std::string& path, const FileEvent& cause);
  void ConsiderTimes(const FileEvent& row, const FileVersion& version, const FileEvent& cause);
  void Put(const FileVersion& version, const FileEvent& cause);

  void Connect();
  void OnMessage(ObserveDown response);
  void OnEnd();
  void Heartbeat();
  void Pump();
  void SendOutcomes(ObserveUp& request);
  void SendStaging();
  std::vector<VolumeReport> Report() const;

  World& world() { return *options_.world; }
  Random& random() { return options_.world->random(); }

  const Options options_;
  Part part_;
  const HostId host_;
  std::vector<std::unique_ptr<VolumeModel>> owned_volumes_;
  std::map<std::string, VolumeModel*> volumes_;
  LedgerModel ledger_;

  // Of one process.
  std::unique_ptr<PublisherModel> publisher_;
  std::shared_ptr<ObserveStream> stream_;
  bool answered_ = false;
  int64_t sent_ = 0;
  int64_t heard_ = 0;      // acknowledged on this stream
  int64_t sent_high_ = 0;  // rows up to this one may be known to the coordinator
  std::vector<FileEvent> in_flight_;
  std::set<Lease> published_;  // outcomes that were sent since the last heartbeat
  absl::Duration backoff_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_WATCHER_MODEL_H_
