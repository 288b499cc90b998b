// The store in memory, for unit tests and simulations of the coordinator.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_STORE_H_
#define SERVICES_COORDINATOR_STORE_FAKE_STORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/fake_tables.h"

namespace closewrite {

// Passes the same contract as the real stores, but for durability. Thread-safe. A Write may run
// inside no Read of the same thread: its commit waits until all Reads are over. (A Read inside a
// Write sees the last commit.)
class FakeStore final : public Store {
 public:
  // `shared`: several coordinators use this object, in turn or beside each other. Their
  // transactions never overlap.
  explicit FakeStore(bool shared = false) : shared_(shared) {}

  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) override
      ABSL_LOCKS_EXCLUDED(write_mutex_, committed_mutex_);
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) override
      ABSL_LOCKS_EXCLUDED(committed_mutex_);
  std::string Durability() const override { return "memory: nothing outlives the process"; }
  bool shared() const override { return shared_; }
  // Calls everybody who listens, the caller's own listener too, on the caller's thread.
  void Notify(std::string_view notice) override ABSL_LOCKS_EXCLUDED(listeners_mutex_);
  // Each coordinator adds its listener.
  void Listen(std::function<void(std::string_view notice)> fn) override
      ABSL_LOCKS_EXCLUDED(listeners_mutex_);

  // The next Write that would have changed something changes nothing and returns `status`, which is
  // not OK.
  void FailNextCommit(const absl::Status& status) ABSL_LOCKS_EXCLUDED(write_mutex_);
  // Commits so far that changed something.
  int64_t commits() ABSL_LOCKS_EXCLUDED(write_mutex_);

 private:
  const bool shared_;
  absl::Mutex listeners_mutex_;
  std::vector<std::function<void(std::string_view)>> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
  absl::Mutex write_mutex_;
  absl::Status next_commit_ ABSL_GUARDED_BY(write_mutex_);
  int64_t commits_ ABSL_GUARDED_BY(write_mutex_) = 0;
  // Equal to `committed_` between two Writes: a commit copies what was touched from here to there,
  // a rollback the other way.
  FakeTables working_ ABSL_GUARDED_BY(write_mutex_);
  absl::Mutex committed_mutex_ ABSL_ACQUIRED_AFTER(write_mutex_);
  FakeTables committed_ ABSL_GUARDED_BY(committed_mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_STORE_H_
