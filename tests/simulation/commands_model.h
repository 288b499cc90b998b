// The commands that run on one machine, and their supervisors.
#ifndef TESTS_SIMULATION_COMMANDS_MODEL_H_
#define TESTS_SIMULATION_COMMANDS_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Why a command is dead.
enum class CommandEnd { kByItself, kTold, kLease, kExecutorDied };

// Each command has a supervisor of its own, a process that goes on when the executor is frozen or
// dead: it kills the command when the lease ends, and when the executor is no more. Not
// thread-safe.
class CommandsModel {
 public:
  struct Options {
    World* world = nullptr;
    Part* machine = nullptr;
    std::function<void(const Lease&)> on_dead;  // for the checks
    bool outlive_lease = false;                 // a planted bug
  };
  explicit CommandsModel(Options options) : options_(std::move(options)) {}

  struct Run {
    absl::Duration lease_deadline;  // since the start of the world
    absl::Duration runs;
    // Called on the machine, whether the executor lives or not.
    std::function<void(CommandEnd)> on_end;
  };
  // Returns its process id.
  int Start(const Lease& lease, Run run);
  void Renew(absl::Duration lease_deadline);
  void Kill(const Lease& lease);
  // Its sockets are closed: all supervisors kill.
  void ExecutorDied();
  // Nothing of them is left.
  void CutPower();

  bool empty() const { return running_.empty(); }
  absl::Duration Deadline(const Lease& lease) const;

 private:
  struct Running {
    Run run;
    int pid = 0;
    bool dying = false;
  };

  void WatchLease(const Lease& lease, int pid);
  void KillFor(const Lease& lease, CommandEnd why);
  void End(const Lease& lease, int pid, CommandEnd why);

  const Options options_;
  int pids_ = 0;
  std::map<Lease, Running> running_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_COMMANDS_MODEL_H_
