// An executor on its machine, as services/executor/coordinator_link.h has it; with the real clock
// of leases.
#ifndef TESTS_SIMULATION_EXECUTOR_MODEL_H_
#define TESTS_SIMULATION_EXECUTOR_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/executor/lease_clock.h"
#include "tests/simulation/attempts_model.h"
#include "tests/simulation/commands_model.h"
#include "tests/simulation/dial.h"
#include "tests/simulation/guardian_model.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/network.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Not thread-safe.
class ExecutorModel {
 public:
  struct Options {
    std::string name;
    ExecutorPlan plan;
    World* world = nullptr;
    Network* network = nullptr;
    Dial* dial = nullptr;
    const std::map<std::string, VolumeModel*>* volumes = nullptr;
    const Scenario* scenario = nullptr;
    const bool* calm = nullptr;
    ExecutorWitness* witness = nullptr;
    Plant plant = Plant::kNone;
  };
  // None of the pointers is owned.
  explicit ExecutorModel(Options options);

  void Start();
  // Kills the process; supervisors kill the commands, and the guardian tells, if it lives.
  void Crash(bool guardian_lives);
  void CutPower();
  // The process alone, or the machine with all that runs on it.
  void Freeze(absl::Duration duration, bool machine);
  // From now on it takes nothing more, and stops when all is done.
  void Drain();

  Part& part() { return process_; }
  HostId host() const { return host_; }
  const SessionId& session() const { return journal_.session; }

 private:
  ExecutorHello Hello() const;
  GuardianModel::Options GuardianOptions(std::function<bool()> taken);
  void Begin();
  void TakeUp();
  void Stop();
  void Ring();
  void Tick();
  // What is due; returns when it is next needed.
  absl::Duration Turn();
  void WatchLeases(absl::Duration now);
  absl::Duration TurnStream(absl::Duration now);
  void Connect(absl::Duration now);
  void Send(bool heartbeat, AttendUp request);
  void OnMessage(const AttendDown& response);
  void OnEnd(const absl::Status& status);
  absl::Duration PauseAfter(const absl::Status& status, bool greeted);
  absl::Duration HeartbeatEvery() const;
  absl::Duration PatienceEnds() const;
  absl::Duration FirstAnswerMax() const;

  World& world() { return *options_.world; }

  const Options options_;
  Part machine_;
  Part process_;
  const HostId host_;
  CommandsModel commands_;
  JournalModel journal_;
  GuardianModel guardian_;
  GuardianModel predecessor_;  // what this process does about it

  // Of one process.
  bool has_lock_ = false;  // of the state directory
  std::unique_ptr<AttemptsModel> attempts_;
  executor::LeaseClock leases_;
  bool leases_lost_ = false;
  absl::Duration session_ttl_;
  std::shared_ptr<AttendStream> stream_;
  bool greeted_ = false;
  int64_t sequence_ = 0;
  absl::Duration started_at_;
  absl::Duration heartbeat_at_;
  absl::Duration connect_at_;
  absl::Duration reap_until_;
  absl::Duration pause_;
  bool draining_ = false;
  bool start_again_ = false;  // as soon as it has drained
  int64_t tick_number_ = 0;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_EXECUTOR_MODEL_H_
