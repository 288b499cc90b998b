// Tasks: the part of the SQLite store about them.
#include <string>
#include <vector>

#include "services/coordinator/store/sqlite_rows.h"
#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {
namespace {

constexpr char kPutTask[] =
    "INSERT OR REPLACE INTO tasks(" CLOSEWRITE_TASK_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?)";
constexpr char kDeleteTask[] = "DELETE FROM tasks WHERE name = ?";
constexpr char kDueTasks[] = CLOSEWRITE_TASK_SELECT "WHERE due_at <= ? ORDER BY due_at LIMIT ?";
constexpr char kEarliestTaskDue[] = "SELECT due_at FROM tasks ORDER BY due_at LIMIT 1";

}  // namespace

void SqliteTransaction::PutTask(const StoredTask& task) {
  const std::optional<StoredTask> kept = GetTask(task.name);
  {
    SqliteQuery query(connection(), kPutTask, sticky_status());
    query.BindBytes(task.name).BindInt(task.version).BindTime(task.applied_at);
    query.BindBytes(task.definition).BindInt(task.state.started).BindTime(task.state.seen);
    query.BindTime(task.state.due_at).BindInt(task.state.runs).BindInt(task.state.failures);
    query.BindInt(task.state.last.value).Run();
  }
  const bool same =
      kept.has_value() && kept->version == task.version && kept->definition == task.definition;
  if (!same) RaisePipelinesVersion();
}

void SqliteTransaction::DeleteTask(const std::string& name) {
  {
    SqliteQuery query(connection(), kDeleteTask, sticky_status());
    query.BindBytes(name).Run();
  }
  RaisePipelinesVersion();
}

std::vector<StoredTask> SqliteTransaction::DueTasks(absl::Time now, int64_t limit) {
  if (limit <= 0) return {};
  SqliteQuery query(connection(), kDueTasks, sticky_status());
  query.BindTime(now).BindInt(limit);
  return ReadTasks(&query);
}

absl::Time SqliteTransaction::EarliestTaskDue() {
  SqliteQuery query(connection(), kEarliestTaskDue, sticky_status());
  return query.Step() ? query.Time() : absl::InfiniteFuture();
}

}  // namespace closewrite
