// Monitoring and the audit: the part of a transaction about them.
#include <string_view>
#include <utility>
#include <vector>

#include "services/coordinator/store/postgres_monitoring_rows.h"
#include "services/coordinator/store/postgres_transaction.h"

namespace closewrite {
namespace {

constexpr char kErasePoints[] =
    "DELETE FROM closewrite.points AS t USING unnest($1::bigint[]) AS u(id) WHERE t.id = u.id";

// What is to go is chosen once, before anything goes.
#define CLOSEWRITE_PRUNE(table, which, order)                                          \
  "WITH old AS MATERIALIZED (SELECT id FROM " table " WHERE " which " ORDER BY " order \
  " LIMIT $2::bigint FOR UPDATE SKIP LOCKED) DELETE FROM " table                       \
  " AS t USING old AS u WHERE t.id = u.id"
constexpr char kPruneLoads[] =
    CLOSEWRITE_PRUNE("closewrite.loads", "logged_at < $1::bigint", "logged_at, id");
constexpr char kPruneEnded[] =
    CLOSEWRITE_PRUNE("closewrite.executions", "ended_at < $1::bigint", "ended_at, started_at, id");
constexpr char kPruneOpen[] = CLOSEWRITE_PRUNE(
    "closewrite.executions", "ended_at = 9223372036854775807 AND started_at < $1::bigint",
    "started_at, id");
constexpr char kPruneAudit[] =
    CLOSEWRITE_PRUNE("closewrite.audit", "made_at < $1::bigint", "made_at, id");

}  // namespace

void PostgresTransaction::AppendPoints(int64_t count, std::string_view lines) {
  if (!ok()) return;
  set_.AddPoints(count, lines);
  FlushIfLarge();
}

int64_t PostgresTransaction::ErasePoints(const std::vector<int64_t>& ids) {
  if (ids.empty()) return 0;
  PostgresArray array;
  for (const int64_t id : ids) array.Int(id);
  const PostgresResult result =
      WriteNow({{.sql = kErasePoints, .params = PostgresParams().Array(std::move(array))}});
  return ok() ? result.touched() : 0;
}

std::optional<Increment> PostgresTransaction::FindIncrement(const IncrementKey& key) {
  if (set_.increments.Find(key) == nullptr) {
    std::optional<Increment> stored =
        FirstOrNone(IncrementsOf(Ask(IncrementQuery(key, /*lock=*/true))));
    if (ok()) set_.increments.Load(key, std::move(stored));
  }
  return ok() ? *set_.increments.Find(key) : std::nullopt;
}

void PostgresTransaction::PutIncrement(const Increment& increment) {
  FindIncrement(increment.key());
  if (ok()) set_.increments.Put(increment.key(), increment);
}

void PostgresTransaction::AppendLoad(const Load& load) {
  if (ok()) set_.AddLoad(load);
}

int64_t PostgresTransaction::PruneSome(const char* sql, absl::Time before, int64_t limit) {
  if (limit <= 0) return 0;
  const PostgresResult result =
      WriteNow({{.sql = sql, .params = PostgresParams().Time(before).Int(limit)}});
  return ok() ? result.touched() : 0;
}

int64_t PostgresTransaction::PruneLoads(absl::Time before, int64_t limit) {
  return PruneSome(kPruneLoads, before, limit);
}

std::optional<Execution> PostgresTransaction::FindExecution(const std::string& id) {
  if (set_.executions.Find(id) == nullptr) {
    std::optional<Execution> stored =
        FirstOrNone(ExecutionsOf(Ask(ExecutionQuery(id, /*lock=*/true))));
    if (ok()) set_.executions.Load(id, std::move(stored));
  }
  return ok() ? *set_.executions.Find(id) : std::nullopt;
}

void PostgresTransaction::PutExecution(const Execution& execution) {
  FindExecution(execution.id);
  if (ok()) set_.executions.Put(execution.id, execution);
}

int64_t PostgresTransaction::PruneExecutions(absl::Time before, int64_t limit) {
  const int64_t ended = PruneSome(kPruneEnded, before, limit);
  const int64_t open = PruneSome(kPruneOpen, before, limit - ended);
  set_.executions.Clear();
  return ok() ? ended + open : 0;
}

std::optional<std::string> PostgresTransaction::FindNote(const std::string& kind,
                                                         const std::string& key) {
  const NoteName name{kind, key};
  if (set_.notes.Find(name) == nullptr) {
    std::optional<std::string> stored = NoteValueOf(Ask(NoteQuery(name, /*lock=*/true)));
    if (ok()) set_.notes.Load(name, std::move(stored));
  }
  return ok() ? *set_.notes.Find(name) : std::nullopt;
}

void PostgresTransaction::PutNote(const std::string& kind, const Note& note) {
  FindNote(kind, note.key);
  if (!ok()) return;
  set_.PutNote({kind, note.key}, note.value);
  FlushIfLarge();
}

void PostgresTransaction::EraseNote(const std::string& kind, const std::string& key) {
  FindNote(kind, key);
  if (ok()) set_.PutNote({kind, key}, std::nullopt);
}

void PostgresTransaction::AppendAudit(const AuditEntry& entry) {
  if (ok()) set_.AddAudit(entry);
}

int64_t PostgresTransaction::PruneAudit(absl::Time before, int64_t limit) {
  return PruneSome(kPruneAudit, before, limit);
}

}  // namespace closewrite
