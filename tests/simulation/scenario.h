// What a simulation consists of, and how badly it is treated: all of it from the seed.
#ifndef TESTS_SIMULATION_SCENARIO_H_
#define TESTS_SIMULATION_SCENARIO_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/task.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/random.h"

namespace closewrite::simulation {

struct ExecutorPlan {
  int slots = 1;
  bool internet = false;  // it has this label
};

// A watched volume and its home.
struct VolumePlan {
  std::string name;
  int watcher = 0;
};

// How often things happen, a second; of crashes and the like: to any part of that kind.
struct FaultRates {
  double coordinator_crash = 0;
  double executor_crash = 0;
  double watcher_crash = 0;
  double power_cut = 0;  // of a machine of executors or watchers
  double freeze = 0;     // of an executor
  double cut = 0;        // of the network
  double broken_streams = 0;
  double slow_disk = 0;
  double store_down = 0;
  double full_disk = 0;
};

struct Scenario {
  uint64_t seed = 0;
  bool shared = false;
  int coordinators = 1;
  int watchers = 1;
  int users = 1;
  std::vector<ExecutorPlan> executors;
  std::vector<VolumePlan> volumes;
  std::vector<Pipeline> pipelines;  // as they are applied first
  std::vector<Task> tasks;          // likewise
  int programs = 0;                 // that ask for locks
  absl::Duration session_ttl = absl::Seconds(10);

  absl::Duration storm;  // how long faults and users go on
  absl::Duration night;  // how long no coordinator is there after that
  FaultRates faults;     // of the storm
  DiskRates disk;
  double network_slowness = 0;
  double lost_notices = 0;
  double skipped_rows = 0;  // rows that seem locked by another coordinator

  double writes = 1;      // files written a second
  double calls = 0.2;     // of users, a second
  double task_calls = 0;  // the same about tasks
  int paths = 20;         // different names a volume
  double rewrites = 0.3;  // writes that take a name that is there
  double poison = 0.05;   // commands that always fail
  double failing = 0.1;   // attempts that fail
  absl::Duration run_max = absl::Seconds(3);
  double long_runs = 0.05;  // commands that take several times to live
};

// Those that pipelines, tasks and programs need.
inline constexpr const char* kLocks[] = {"api", "license"};

// Names of volumes that results go to begin with this.
inline constexpr char kOutputPrefix[] = "out";

Scenario MakeScenario(uint64_t seed);

// Another definition of the same pipeline: what may change about it while jobs run.
Pipeline Vary(const Pipeline& pipeline, int version, Random& random);

// Any task of that name; `definition` is what tells it from others.
Task MakeTask(const Scenario& scenario, const std::string& name, std::string definition,
              Random& random);

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_SCENARIO_H_
