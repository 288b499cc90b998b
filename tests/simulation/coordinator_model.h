// A coordinator: the real core between models of its adapters.
#ifndef TESTS_SIMULATION_COORDINATOR_MODEL_H_
#define TESTS_SIMULATION_COORDINATOR_MODEL_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/store.h"
#include "tests/simulation/attend_model.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/network.h"
#include "tests/simulation/observe_model.h"
#include "tests/simulation/plants.h"
#include "tests/simulation/store_loop_model.h"
#include "tests/simulation/store_view.h"
#include "tests/simulation/watched_transaction.h"

namespace closewrite::simulation {

// Definitions of pipelines, and of tasks, by their opaque text.
using Definitions = std::map<std::string, Pipeline>;
using TaskDefinitions = std::map<std::string, Task>;

// Not thread-safe.
class CoordinatorModel final : public CoordinatorApi {
 public:
  struct Options {
    std::string name;
    World* world = nullptr;
    Network* network = nullptr;
    Store* store = nullptr;
    Disk* disk = nullptr;
    WatchedTransaction::Lies* lies = nullptr;
    const Definitions* definitions = nullptr;
    const TaskDefinitions* task_definitions = nullptr;
    absl::Duration session_ttl;
    Plant plant = Plant::kNone;
    StoreView::Watch on_commit;
    std::function<void(const SessionId&)> on_heard;
    std::function<void(const News&)> notify_others;
    std::function<void(CoordinatorModel*)> crash;  // when a commit ends so
  };
  // None of the pointers is owned.
  explicit CoordinatorModel(Options options);

  // A new process. Each has an id of its own.
  void Start();
  void Crash();
  void OnNotice(const News& news);

  LinkEnd end() override { return {&part_, host_}; }
  void Attend(const std::shared_ptr<AttendStream>& stream) override;
  void Observe(const std::shared_ptr<ObserveStream>& stream) override;
  void Serve(const Call& call, std::function<void(const CallAnswer&)> answer) override;

  const Part& part() const { return part_; }

 private:
  struct Process;

  Engine::Options EngineOptions();
  // What one call does, inside a transaction.
  absl::Status Do(const Call& call, Engine& engine, StoreTransaction& tx, absl::Time now,
                  std::vector<JobId>& jobs) const;
  static absl::Status DoLock(const LockCall& call, Engine& engine, StoreTransaction& tx,
                             absl::Time now, CallAnswer& answer);
  static absl::Status DoTask(const TaskCall& call, TaskBook& book, StoreTransaction& tx,
                             absl::Time now, std::vector<JobId>& jobs);

  const Options options_;
  Part part_;
  const HostId host_;
  StoreView store_;
  std::shared_ptr<Process> process_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_COORDINATOR_MODEL_H_
