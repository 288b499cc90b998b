// A coordinator's side of the streams of watchers, as services/coordinator/observe_service.h has
// it.
#ifndef TESTS_SIMULATION_OBSERVE_MODEL_H_
#define TESTS_SIMULATION_OBSERVE_MODEL_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/engine.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/store_loop_model.h"

namespace closewrite::simulation {

// Lives as long as its coordinator's process. Not thread-safe.
class ObserveModel {
 public:
  // Not owned.
  explicit ObserveModel(StoreLoopModel* loop) : loop_(*loop) {}

  void Accept(const std::shared_ptr<ObserveStream>& stream);
  void OnChange(const Effects& effects);

 private:
  struct Visit {
    std::shared_ptr<ObserveStream> stream;
    std::string host;
    std::string ledger_id;
    bool accepted = false;
    int64_t number = 0;
    std::vector<VolumeReport> volumes;

    WatcherStream watcher_stream() const { return {host, ledger_id, number}; }
  };
  // One message and its answer.
  struct Exchange {
    ObserveUp request;
    bool complete = false;
    ObserveDown response;
  };

  absl::Status Apply(Visit& visit, Exchange& exchange, Engine& engine, StoreTransaction& tx,
                     absl::Time now);
  void Submit(const std::shared_ptr<Visit>& visit, std::shared_ptr<Exchange> exchange);
  void Answer(const std::shared_ptr<Visit>& visit, Exchange& exchange);
  void Refresh(const std::shared_ptr<Visit>& visit);
  void OnEnd(const std::shared_ptr<Visit>& visit);

  StoreLoopModel& loop_;
  std::map<std::string, std::shared_ptr<Visit>> visits_;  // by host
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_OBSERVE_MODEL_H_
