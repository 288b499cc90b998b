// A watcher's ledger: one row a path, and what of it the coordinator has acknowledged.
#ifndef TESTS_SIMULATION_LEDGER_MODEL_H_
#define TESTS_SIMULATION_LEDGER_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "tests/simulation/random.h"

namespace closewrite::simulation {

// A killed process loses nothing; a power cut may take what was not synced. Not thread-safe.
class LedgerModel {
 public:
  using Path = std::pair<std::string, std::string>;  // volume, path

  explicit LedgerModel(std::string id) : id_(std::move(id)) {}

  const std::string& id() const { return id_; }
  // A process opens it: sequences that may have been lost are not given again.
  void Open();

  // nullptr when nothing is known of the path. A row may say that the file is gone.
  const FileEvent* Find(const Path& path) const;
  std::vector<Path> Paths(const std::string& volume) const;
  // Gives it the next sequence. A file that an order has put in place names its job.
  void Record(FileEvent event);
  // Rows past `after` in ascending order of sequence, at most `limit`.
  std::vector<FileEvent> Pending(int64_t after, size_t limit) const;
  void Acknowledge(int64_t sequence);
  int64_t acknowledged() const { return state_.acknowledged; }
  int64_t sequence() const { return state_.sequence; }

  // That renames of an order begin; synced.
  void BeginPublishing(const Lease& order, const std::string& volume,
                       const std::vector<std::string>& paths);
  bool PublishingBegan(const Lease& order) const { return state_.began.contains(order); }
  void ForgetPublishingExcept(const std::set<Lease>& orders);

  // Everything so far survives.
  void Sync();
  void CutPower(Random& random);

 private:
  struct State {
    std::map<Path, FileEvent> rows;
    std::map<int64_t, Path> by_sequence;
    int64_t sequence = 0;
    int64_t acknowledged = 0;
    std::set<Lease> began;
    std::map<Path, JobId> makers;  // of what is put in place
  };
  using Step = std::function<void(State&)>;

  void Do(Step step);

  const std::string id_;
  State state_;
  State synced_;
  std::vector<Step> unsynced_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_LEDGER_MODEL_H_
