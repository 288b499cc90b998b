// Carries out publish orders, as services/watcher/publisher.h does: idempotent renames.
#ifndef TESTS_SIMULATION_PUBLISHER_MODEL_H_
#define TESTS_SIMULATION_PUBLISHER_MODEL_H_

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/core/job.h"
#include "tests/simulation/ledger_model.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/volume_model.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// Lives as long as its watcher's process. Not thread-safe.
class PublisherModel {
 public:
  struct Options {
    World* world = nullptr;
    Part* part = nullptr;
    LedgerModel* ledger = nullptr;
    std::map<std::string, VolumeModel*> volumes;
    std::function<void()> on_news;
    // A file came to its final name.
    std::function<void(const Lease&, const std::string& volume, const std::string& path)> renamed;
    std::function<void(const Lease&)> swept;
    bool again_and_again = false;  // a planted bug
  };
  // None of the pointers is owned.
  explicit PublisherModel(Options options) : options_(std::move(options)) {}

  void Submit(const Job& job);
  // The complete list: what is not on it is settled.
  void Settle(const std::set<Lease>& ordered);
  // Answered orders; "": every file is in place.
  const std::map<Lease, std::string>& outcomes() const { return outcomes_; }
  void Sweep(const std::string& volume, const Lease& lease);

 private:
  struct Order {
    std::string volume;
    std::vector<std::string> paths;
    size_t renamed = 0;
    bool running = false;
  };

  void Next();
  bool Blocked(const Lease& lease, const Order& order) const;
  void Verify(const Lease& lease);
  void Rename(const Lease& lease);
  void Finish(const Lease& lease, const std::string& error);
  absl::Duration Pause();

  const Options options_;
  std::map<Lease, Order> orders_;
  std::deque<Lease> line_;  // in the order in which they came
  std::map<Lease, std::string> outcomes_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_PUBLISHER_MODEL_H_
