// The attempts that an executor holds, as services/executor/attempt_table.h and attempt.h have
// them.
#ifndef TESTS_SIMULATION_ATTEMPTS_MODEL_H_
#define TESTS_SIMULATION_ATTEMPTS_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/coordinator/core/dispatch.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/job_rules.h"
#include "tests/simulation/command_script.h"
#include "tests/simulation/commands_model.h"
#include "tests/simulation/journal_model.h"
#include "tests/simulation/network.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What the checks want to know of an executor.
class ExecutorWitness {
 public:
  virtual ~ExecutorWitness() = default;
  virtual void OnAssigned(const std::string& executor, const Grant& grant) = 0;
  virtual void OnStarted(const std::string& executor, const Grant& grant, const Part* machine) = 0;
  virtual void OnDead(const Lease& lease) = 0;
  // The executor has made its mind up about the attempt.
  virtual void OnEnded(const Lease& lease, const Finished& end) = 0;
  virtual void OnSettled(const Lease& lease, const Finished& end) = 0;
  virtual void OnLogAcknowledged(const Lease& lease, int64_t length) = 0;
  // The coordinator says that the session does not hold it.
  virtual void OnWithdrawn(const Lease& lease) = 0;
};

// Lives as long as its executor's process. Not thread-safe.
class AttemptsModel {
 public:
  struct Options {
    World* world = nullptr;
    Network* network = nullptr;
    Part* part = nullptr;
    const Part* machine = nullptr;
    HostId host = 0;
    int slots = 1;
    CommandsModel* commands = nullptr;
    JournalModel* journal = nullptr;
    const std::map<std::string, VolumeModel*>* volumes = nullptr;
    const Scenario* scenario = nullptr;
    const bool* calm = nullptr;
    ExecutorWitness* witness = nullptr;
    std::function<void()> wake;
  };
  // None of the pointers is owned.
  explicit AttemptsModel(Options options) : options_(std::move(options)) {}

  // Makes results of what an earlier process has left.
  void TakeUp();
  // Runs it, unless it is known already.
  void Accept(const Grant& grant, absl::Duration lease_deadline);
  void Renew(absl::Duration lease_deadline);
  // Kills what is not in `held`.
  void KeepOnly(const std::vector<Lease>& held);
  void Settle(const std::vector<Lease>& leases);
  void AcknowledgeLogs(const std::vector<std::pair<Lease, int64_t>>& lengths);
  // The session is gone.
  void ForgetAll();
  void KillAll();
  void Drain();

  void StartStream();
  void Fill(bool heartbeat, AttendReport& report);
  bool TakeChange() { return std::exchange(changed_, false); }
  // Drops forgotten attempts that have ended. True when none is left.
  bool Reap();
  int running() const;
  bool empty() const { return entries_.empty(); }

 private:
  enum class Stage { kChecking, kRunning, kConcluding, kEnded };
  struct Entry {
    Grant grant;
    Stage stage = Stage::kChecking;
    int64_t number = 0;  // tells one entry of a lease from another
    CommandScript script;
    int pid = 0;
    absl::Duration lease_deadline;
    absl::Duration look_until;  // for the announced version
    bool stopped = false;
    Finished result;
    std::string log;
    int64_t log_sent = 0;
    int64_t log_acknowledged = 0;
    bool start_sent = false;
    bool result_sent = false;
    bool unheld = false;
    bool forgotten = false;
  };
  using Entries = std::map<Lease, Entry>;
  enum class Look { kAnnounced, kChanged, kAbsent };

  Entry* Find(const Lease& lease, int64_t number);
  void Later(absl::Duration delay, const Lease& lease, const Entry& entry,
             void (AttemptsModel::*step)(const Lease&, Entry&));
  Look LookAtInput(const Job& job) const;
  VolumeModel* Reachable(const std::string& volume) const;
  void CheckInput(const Lease& lease, Entry& entry);
  void Run(const Lease& lease, Entry& entry);
  void StageOutputs(const Lease& lease, const CommandScript& script, const std::string& volume,
                    Finished& result) const;
  void OnCommandEnd(const Lease& lease, Entry& entry, CommandEnd why, Finished result);
  void Conclude(const Lease& lease, Entry& entry);
  void End(const Lease& lease, Entry& entry, Finished result);
  void Kill(const Lease& lease, Entry& entry);
  void Output(const Lease& lease, Entry& entry, int64_t records);
  Entries::iterator Drop(Entries::iterator entry);
  void FillEntry(const Lease& lease, Entry& entry, bool heartbeat, AttendReport& report);

  const Options options_;
  Entries entries_;
  int64_t numbers_ = 0;
  bool changed_ = false;
  bool draining_ = false;
  std::set<Lease> settled_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_ATTEMPTS_MODEL_H_
