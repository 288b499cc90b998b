// Tasks as the store has them: registered, started, stopped, removed; and their runs, made when
// they are due.
#ifndef SERVICES_COORDINATOR_CORE_TASK_BOOK_H_
#define SERVICES_COORDINATOR_CORE_TASK_BOOK_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/apply_effect.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job_book.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/task.h"

namespace closewrite {

inline constexpr int64_t kTasksMax = 10'000;
// Tasks that are fired in one commit.
inline constexpr int64_t kFireBatchMax = 500;
// Of a shared store: tasks that are due, and which another coordinator has locked, are looked at
// again after this.
inline constexpr absl::Duration kDuePoll = absl::Milliseconds(50);
// Runs of one task that wait or run at once; more are skipped.
inline constexpr int64_t kUnfinishedRunsMax = 100;

// Calls `fn` with all tasks, by name; reads them in pages.
void ForEachTask(StoreReader& reader, absl::FunctionRef<void(const StoredTask&)> fn);

// Not thread-safe. All tasks are named by their own names; NOT_FOUND: there is no such task.
class TaskBook {
 public:
  // `random`: in [0, 1). None is owned.
  TaskBook(Fleet* fleet, JobBook* book, std::function<double()> random)
      : fleet_(*fleet), book_(*book), random_(std::move(random)) {}

  // Registers tasks, or changes those of the same name: runs that are there keep the definition
  // they were started with, due times are counted anew. RESOURCE_EXHAUSTED beyond kTasksMax;
  // ALREADY_EXISTS when `must_be_new` and one is not. With `dry_run` nothing changes.
  absl::StatusOr<std::vector<ApplyEffect>> Apply(StoreTransaction& tx, std::vector<Task> tasks,
                                                 bool must_be_new, bool dry_run, absl::Time now);
  // All or none. From now on they run when they are due, or for ever. One that is started already
  // goes on as it is. One that has no schedule runs once, with the errors of Run.
  absl::Status Start(StoreTransaction& tx, const std::vector<std::string>& names, absl::Time now);
  // All or none. Cancels their runs, and makes none any more.
  absl::Status Stop(StoreTransaction& tx, const std::vector<std::string>& names, absl::Time now);
  // Stops it, too. Its finished runs stay.
  absl::Status Remove(StoreTransaction& tx, const std::string& name, absl::Time now);
  // Makes a run now, whether it is started or not. FAILED_PRECONDITION: another run is there, and
  // the task says `overlap: skip`.
  absl::StatusOr<Job> Run(StoreTransaction& tx, const std::string& name, absl::Time now);

  // What the runs that have ended mean for their tasks, and the runs that are due. To be called in
  // each transaction. Returns when it must be called next, at the latest.
  absl::Time Tick(StoreTransaction& tx, absl::Time now);

 private:
  struct Found {
    StoredTask stored;
    std::shared_ptr<const Task> task;
  };
  absl::StatusOr<Found> Find(StoreTransaction& tx, const std::string& name);
  // OK when Run would make a run.
  absl::Status MayRun(StoreTransaction& tx, const Task& task);
  void Put(StoreTransaction& tx, const StoredTask& stored);
  // True when there may be more that are due and free.
  bool Fire(StoreTransaction& tx, absl::Time now);
  void EndRuns(StoreTransaction& tx, absl::Time now);
  void CancelRuns(StoreTransaction& tx, const std::string& name, const std::string& why,
                  absl::Time now);
  Job MakeRun(StoreTransaction& tx, const Task& task, StoredTask& stored, absl::Time due,
              absl::Time now);

  Fleet& fleet_;
  JobBook& book_;
  std::function<double()> random_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_TASK_BOOK_H_
