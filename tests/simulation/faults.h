// What goes wrong during the storm.
#ifndef TESTS_SIMULATION_FAULTS_H_
#define TESTS_SIMULATION_FAULTS_H_

#include <functional>
#include <vector>

#include "tests/simulation/coordinator_model.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/executor_model.h"
#include "tests/simulation/network.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/watcher_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Not thread-safe.
class Faults {
 public:
  struct Options {
    World* world = nullptr;
    Network* network = nullptr;
    Disk* disk = nullptr;
    const Scenario* scenario = nullptr;
    std::vector<CoordinatorModel*> coordinators;
    std::vector<ExecutorModel*> executors;
    std::vector<WatcherModel*> watchers;
  };
  // None of the pointers is owned.
  explicit Faults(Options options) : options_(std::move(options)) {}

  void Start();
  // The storm is over: everything is up again, but for a coordinator that may be gone for good.
  void Stop();
  // For so long no coordinator is there, unless the storm is over before.
  void Sleep(absl::Duration night);
  // Crashes it; it starts again later.
  void Crash(CoordinatorModel* coordinator);
  // Since when nothing has been wrong; infinite future while something is.
  absl::Duration quiet_since() const { return quiet_since_; }

 private:
  void Keep(double per_second, void (Faults::*fault)());
  // Something is wrong for so long.
  void Disturb(absl::Duration duration);
  absl::Duration Downtime();

  void CrashCoordinator();
  void CrashExecutor();
  void CrashWatcher();
  void CutPower();
  void Freeze();
  void CutNetwork();
  void BreakStreams();
  void SlowDisk();
  void StoreDown();
  void FillDisk();

  World& world() { return *options_.world; }
  Random& random() { return options_.world->random(); }

  const Options options_;
  bool stopped_ = false;
  bool asleep_ = false;
  const CoordinatorModel* gone_ = nullptr;
  absl::Duration wrong_until_;
  absl::Duration quiet_since_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_FAULTS_H_
