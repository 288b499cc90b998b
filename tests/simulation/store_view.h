// One coordinator's way to the store, which fails as it is told.
#ifndef TESTS_SIMULATION_STORE_VIEW_H_
#define TESTS_SIMULATION_STORE_VIEW_H_

#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/watched_transaction.h"

namespace closewrite::simulation {

// Not thread-safe.
class StoreView {
 public:
  // Called with what a commit has changed.
  using Watch = std::function<void(const Changes& changes)>;

  // None is owned.
  StoreView(Store* store, Disk* disk, WatchedTransaction::Lies* lies, Watch watch)
      : store_(*store), disk_(*disk), lies_(*lies), watch_(std::move(watch)) {}

  // Runs `fn` in a transaction whose fate is given.
  absl::Status Write(CommitPlan::Fate fate, absl::FunctionRef<absl::Status(StoreTransaction&)> fn);
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn);

  bool shared() const { return store_.shared(); }
  Disk& disk() { return disk_; }

 private:
  Store& store_;
  Disk& disk_;
  WatchedTransaction::Lies& lies_;
  const Watch watch_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_STORE_VIEW_H_
