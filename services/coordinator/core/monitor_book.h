// What scripts report: executions, loads with their increments, models. See proto/monitor.proto.
#ifndef SERVICES_COORDINATOR_CORE_MONITOR_BOOK_H_
#define SERVICES_COORDINATOR_CORE_MONITOR_BOOK_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/execution_points.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Executions and loads that are looked at to find what a script means.
inline constexpr int64_t kOpenExecutionsMax = 20;
// Of loads and executions, in one step.
inline constexpr int64_t kForgottenReportsMax = 1000;

// Who reports. Names were checked.
struct Reporter {
  std::string job;               // "": that of the attempt
  std::optional<Lease> attempt;  // the command of one
  std::string execution;         // ""; or an execution that it names
  std::string new_id;            // a fresh UUID, for an execution that nobody has named
};

struct ModelReport {
  std::vector<std::pair<std::string, std::string>> tags;
  int64_t records = 0;
  double value = 0;
};

// Not thread-safe. ABORTED: the attempt that reports is over. NOT_FOUND: there is no such job, or
// no such execution. INVALID_ARGUMENT: neither a job's name nor an attempt is given.
class MonitorBook {
 public:
  // Points are made only where `points` says so.
  explicit MonitorBook(bool points) : points_(points) {}

  // The attempt's own when the reporter is one and means no other job.
  absl::StatusOr<Execution> Start(StoreTransaction& tx, const Reporter& reporter, absl::Time now);
  // FAILED_PRECONDITION: it has ended, or it was not named and several are open.
  absl::StatusOr<Execution> End(StoreTransaction& tx, const Reporter& reporter,
                                ExecutionState state, absl::Time now);
  // FAILED_PRECONDITION: the increment does not rise.
  absl::StatusOr<Load> LogLoad(StoreTransaction& tx, const Reporter& reporter, Load load,
                               absl::Time now);
  // Of what the reporter may ask for.
  static absl::StatusOr<IncrementKey> KeyOf(StoreReader& reader, const Reporter& reporter,
                                            const std::string& type, const std::string& datasource);
  // Takes over those that are new or higher; returns them.
  std::vector<Increment> Import(StoreTransaction& tx, const std::vector<Increment>& increments);
  // FAILED_PRECONDITION: points go nowhere.
  absl::Status LogModel(StoreTransaction& tx, const Reporter& reporter, const ModelReport& report,
                        absl::Time now);

  // Forgets what is older; true when there is more.
  bool Forget(StoreTransaction& tx, absl::Time before);

 private:
  struct Meant {
    std::string job;
    std::string execution;         // "": none that is known
    std::optional<Execution> own;  // when it is the attempt itself
  };
  static absl::StatusOr<Meant> Resolve(StoreReader& reader, const Reporter& reporter);
  // Of an execution that was not named, and of which it does not matter which one it is.
  static std::string AnyOpen(StoreReader& reader, const Meant& meant, const Reporter& reporter);
  void Append(StoreTransaction& tx, const Point& point) const;

  const bool points_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_MONITOR_BOOK_H_
