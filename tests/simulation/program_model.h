// A program under `closewrite lock run`: asks for a lock, uses it, gives it back.
#ifndef TESTS_SIMULATION_PROGRAM_MODEL_H_
#define TESTS_SIMULATION_PROGRAM_MODEL_H_

#include <cstdint>
#include <string>

#include "tests/simulation/dial.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/network.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What the checks want to know of programs.
class ProgramWitness {
 public:
  virtual ~ProgramWitness() = default;
  // It does what the lock is for, on that machine, until it ends.
  virtual void OnUse(const SessionId& session, const std::string& lock, const Part* machine) = 0;
  virtual void OnUnused(const SessionId& session) = 0;
};

// Two processes: one talks to coordinators, the other one kills the command when the lease of the
// lock is over, whatever has become of the first. Either can be frozen alone. Not thread-safe.
class ProgramModel {
 public:
  struct Options {
    std::string name;
    World* world = nullptr;
    Network* network = nullptr;
    Dial* dial = nullptr;
    ProgramWitness* witness = nullptr;
    absl::Duration session_ttl;
    Plant plant = Plant::kNone;
  };
  // None of the pointers is owned.
  explicit ProgramModel(Options options);

  // Asks for locks again and again until it is stopped.
  void Start();
  void Stop() { wanted_ = false; }
  // Why something of it may still be in the store; "" when nothing can be.
  std::string Busy() const;

 private:
  void Rest();
  void Begin();
  void Talk();
  void OnAnswer(absl::Duration sent, const CallAnswer& answer);
  void Use();
  void Unuse();
  void KeepTime();
  void GiveBack();
  void Suffer();
  void Crash();
  void Call(LockCall::Wish wish, std::function<void(const CallAnswer&)> done);

  World& world() { return *options_.world; }
  Random& random() { return options_.world->random(); }

  const Options options_;
  Part process_;
  Part keeper_;
  const HostId host_;
  bool wanted_ = false;
  int64_t number_ = 0;  // of sessions
  SessionId session_;   // "": it asks for nothing
  std::string lock_;
  int priority_ = 0;
  bool using_ = false;
  bool giving_back_ = false;
  absl::Duration deadline_;      // of the lease
  absl::Duration forgotten_at_;  // when a session that was left behind has ended at the latest
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_PROGRAM_MODEL_H_
