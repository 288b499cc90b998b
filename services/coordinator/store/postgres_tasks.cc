// Tasks: the part of a transaction about them.
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_transaction.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

const std::string& GetTaskSql() {
  static const std::string* const sql =
      new std::string(StrCat("SELECT ", PostgresNames(TaskColumns()),
                             " FROM closewrite.tasks WHERE name = $1::bytea FOR UPDATE"));
  return *sql;
}

const std::string& DueTasksSql() {
  static const std::string* const sql =
      new std::string(StrCat("SELECT ", PostgresNames(TaskColumns()),
                             " FROM closewrite.tasks WHERE due_at <= $1::bigint ORDER BY due_at"
                             " LIMIT $2::bigint FOR UPDATE SKIP LOCKED"));
  return *sql;
}

constexpr char kEarliestTaskDue[] = "SELECT due_at FROM closewrite.tasks ORDER BY due_at LIMIT 1";

}  // namespace

std::optional<StoredTask> PostgresTransaction::GetTask(const std::string& name) {
  if (set_.tasks.Find(name) == nullptr) {
    std::vector<StoredTask> tasks =
        ReadTasks(Ask({.sql = GetTaskSql(), .params = PostgresParams().Bytes(name)}));
    if (!ok()) return std::nullopt;
    set_.tasks.Load(name, tasks.empty() ? std::nullopt : std::optional(std::move(tasks.front())));
  }
  return ok() ? *set_.tasks.Find(name) : std::nullopt;
}

// Without the catalog's lock: others may use the older definition until they begin anew, and
// nothing but a run that is about to be made depends on it.
void PostgresTransaction::PutTask(const StoredTask& task) {
  const std::optional<StoredTask> kept = GetTask(task.name);
  if (!ok()) return;
  set_.tasks.Put(task.name, task);
  task_dues_changed_ = true;
  const bool same =
      kept.has_value() && kept->version == task.version && kept->definition == task.definition;
  if (!same) RaisePipelinesVersion({});
}

void PostgresTransaction::DeleteTask(const std::string& name) {
  GetTask(name);
  if (!ok()) return;
  set_.tasks.Put(name, std::nullopt);
  task_dues_changed_ = true;
  RaisePipelinesVersion({});
}

std::vector<StoredTask> PostgresTransaction::DueTasks(absl::Time now, int64_t limit) {
  if (!ok() || limit <= 0) return {};
  std::vector<StoredTask> tasks =
      ReadTasks(Ask({.sql = DueTasksSql(), .params = PostgresParams().Time(now).Int(limit)}));
  for (const StoredTask& task : tasks) set_.tasks.Load(task.name, task);
  return tasks;
}

absl::Time PostgresTransaction::EarliestTaskDue() {
  if (ok() && task_dues_changed_) {
    const PostgresResult result = Ask({.sql = kEarliestTaskDue});
    earliest_task_due_ = result.rows() > 0 ? PostgresRow(result, 0).Time() : absl::InfiniteFuture();
    task_dues_changed_ = false;
  }
  return ok() ? earliest_task_due_ : absl::InfiniteFuture();
}

}  // namespace closewrite
