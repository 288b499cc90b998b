// People and programs: write files, and ask coordinators for things.
#ifndef TESTS_SIMULATION_USER_MODEL_H_
#define TESTS_SIMULATION_USER_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "services/coordinator/core/store.h"
#include "tests/simulation/coordinator_model.h"
#include "tests/simulation/dial.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/network.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// What the checks want to know of users.
class UserWitness {
 public:
  virtual ~UserWitness() = default;
  // Before it is sent first.
  virtual void OnAsked(const Call& call) = 0;
  virtual void OnAnswered(const Call& call, const CallAnswer& answer) = 0;
};

// Repeats a call under the same request id until it is answered by anything but UNAVAILABLE. Not
// thread-safe.
class UserModel {
 public:
  struct Options {
    std::string name;
    World* world = nullptr;
    Network* network = nullptr;
    Dial* dial = nullptr;
    Store* store = nullptr;  // which it reads as `closewrite jobs` does
    const std::map<std::string, VolumeModel*>* volumes = nullptr;
    const Scenario* scenario = nullptr;
    Definitions* definitions = nullptr;
    TaskDefinitions* task_definitions = nullptr;
    UserWitness* witness = nullptr;
  };
  // None of the pointers is owned.
  explicit UserModel(Options options);

  // Writes files and asks for things until it is stopped.
  void Start();
  void Stop() { busy_ = false; }

  void Ask(Call call, std::function<void(const CallAnswer&)> done);
  // Calls that are not answered.
  int open_calls() const { return open_calls_; }

 private:
  void KeepWriting();
  void KeepAsking();
  void KeepAskingOfTasks();
  void Write();
  Call Think();
  Call ThinkOfTask();
  std::vector<Job> NewestJobs();
  void Try(const Call& call, std::function<void(const CallAnswer&)> done, int64_t number);

  World& world() { return *options_.world; }
  Random& random() { return options_.world->random(); }

  const Options options_;
  Part part_;
  const HostId host_;
  std::vector<VolumeModel*> inputs_;
  bool busy_ = false;
  int64_t requests_ = 0;
  int versions_ = 0;
  int open_calls_ = 0;
  std::map<int64_t, int64_t> tries_;  // of open calls, the newest try
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_USER_MODEL_H_
