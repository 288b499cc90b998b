// Tells of an executor that was killed, as services/executor/guardian.h does.
#ifndef TESTS_SIMULATION_GUARDIAN_MODEL_H_
#define TESTS_SIMULATION_GUARDIAN_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "services/coordinator/core/job_rules.h"
#include "tests/simulation/attempts_model.h"
#include "tests/simulation/commands_model.h"
#include "tests/simulation/dial.h"
#include "tests/simulation/journal_model.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Once the executor and all its commands are dead, it says what the executor had not told, and ends
// the session. Meanwhile it holds the lock of the state directory, so that no executor starts. Not
// thread-safe.
class GuardianModel {
 public:
  struct Options {
    World* world = nullptr;
    Dial* dial = nullptr;
    HostId host = 0;
    ExecutorHello hello;  // without the session
    CommandsModel* commands = nullptr;
    JournalModel* journal = nullptr;
    ExecutorWitness* witness = nullptr;
    // Whether an executor holds the lock.
    std::function<bool()> taken;
  };
  // None of the pointers is owned.
  explicit GuardianModel(Options options);

  void OnExecutorDied();
  // What an executor does at its start, as its own process, about the session of the one before.
  // Calls `done` when that has ended.
  void SpeakForTheDead(std::function<void()> done);
  void Die();
  Part& part() { return part_; }
  bool holds_lock() const { return holds_lock_; }

 private:
  void AwaitDeath();
  void Speak();
  void SayLastWords();
  void OnMessage(const AttendDown& response);
  void OnLastWordsEnd(const absl::Status& status);
  void EndSession();
  void TryAgain();
  void Finish();
  void Later(absl::Duration delay, void (GuardianModel::*step)());

  const Options options_;
  Part part_;
  bool holds_lock_ = false;
  absl::Duration give_up_at_;
  std::shared_ptr<AttendStream> stream_;
  std::map<Lease, Finished> unsettled_;
  std::function<void()> done_;
  int64_t step_ = 0;  // what was planned for an earlier one does not happen
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_GUARDIAN_MODEL_H_
