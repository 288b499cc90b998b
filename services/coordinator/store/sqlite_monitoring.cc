// Monitoring and the audit: the part of the SQLite store's transaction about them.
#include <string_view>
#include <vector>

#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {
namespace {

constexpr char kAppendPoints[] =
    "INSERT INTO points(id, line, count) VALUES"
    " (coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'points'), 0) + ?1, ?2, ?1)";
constexpr char kErasePoints[] = "DELETE FROM points WHERE id = ?";
constexpr char kPutIncrement[] =
    "INSERT OR REPLACE INTO increments(job, type, datasource, value, logged_at)"
    " VALUES (?,?,?,?,?)";
constexpr char kAppendLoad[] =
    "INSERT INTO loads(execution, job, type, datasource, records, increment, logged_at)"
    " VALUES (?,?,?,?,?,?,?)";
constexpr char kPruneLoads[] =
    "DELETE FROM loads WHERE id IN (SELECT id FROM loads INDEXED BY loads_by_time"
    " WHERE logged_at < ? ORDER BY logged_at, id LIMIT ?)";
constexpr char kPutExecution[] =
    "INSERT OR REPLACE INTO executions(id, job, state, started_at, ended_at) VALUES (?,?,?,?,?)";
#define CLOSEWRITE_PRUNE_EXECUTIONS(which, order)                                              \
  "DELETE FROM executions WHERE id IN (SELECT id FROM executions INDEXED BY executions_by_end" \
  " WHERE " which " ORDER BY " order " LIMIT ?)"
constexpr char kPruneEnded[] =
    CLOSEWRITE_PRUNE_EXECUTIONS("ended_at < ?", "ended_at, started_at, id");
constexpr char kPruneOpen[] = CLOSEWRITE_PRUNE_EXECUTIONS(
    "ended_at = 9223372036854775807 AND started_at < ?", "started_at, id");
constexpr char kPutNote[] = "INSERT OR REPLACE INTO notes(kind, key, value) VALUES (?,?,?)";
constexpr char kAppendAudit[] =
    "INSERT INTO audit(made_at, role, name, portal_user, peer, service, method, request_id,"
    " subject) VALUES (?,?,?,?,?,?,?,?,?)";
constexpr char kPruneAudit[] =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit INDEXED BY audit_by_time"
    " WHERE made_at < ? ORDER BY made_at, id LIMIT ?)";
constexpr char kEraseNote[] = "DELETE FROM notes WHERE kind = ? AND key = ?";

}  // namespace

void SqliteTransaction::AppendPoints(int64_t count, std::string_view lines) {
  SqliteQuery query(connection(), kAppendPoints, sticky_status());
  query.BindInt(count).BindBytes(lines).Run();
}

int64_t SqliteTransaction::ErasePoints(const std::vector<int64_t>& ids) {
  int64_t erased = 0;
  for (const int64_t id : ids) {
    SqliteQuery query(connection(), kErasePoints, sticky_status());
    if (!query.BindInt(id).Run()) return 0;
    erased += connection()->Changes();
  }
  return erased;
}

void SqliteTransaction::PutIncrement(const Increment& increment) {
  SqliteQuery query(connection(), kPutIncrement, sticky_status());
  query.BindBytes(increment.job).BindBytes(increment.type).BindBytes(increment.datasource);
  query.BindInt(increment.value).BindTime(increment.at).Run();
}

void SqliteTransaction::AppendLoad(const Load& load) {
  SqliteQuery query(connection(), kAppendLoad, sticky_status());
  query.BindBytes(load.execution).BindBytes(load.job).BindBytes(load.type);
  query.BindBytes(load.datasource).BindInt(load.records).BindInt(load.increment);
  query.BindTime(load.at).Run();
}

int64_t SqliteTransaction::PruneSome(const char* sql, absl::Time before, int64_t limit) {
  if (limit <= 0) return 0;
  SqliteQuery query(connection(), sql, sticky_status());
  return query.BindTime(before).BindInt(limit).Run() ? connection()->Changes() : 0;
}

int64_t SqliteTransaction::PruneLoads(absl::Time before, int64_t limit) {
  return PruneSome(kPruneLoads, before, limit);
}

void SqliteTransaction::PutExecution(const Execution& execution) {
  SqliteQuery query(connection(), kPutExecution, sticky_status());
  query.BindBytes(execution.id).BindBytes(execution.job);
  query.BindInt(static_cast<int64_t>(execution.state));
  query.BindTime(execution.started_at).BindTime(execution.ended_at).Run();
}

int64_t SqliteTransaction::PruneExecutions(absl::Time before, int64_t limit) {
  const int64_t ended = PruneSome(kPruneEnded, before, limit);
  return ended + PruneSome(kPruneOpen, before, limit - ended);
}

void SqliteTransaction::PutNote(const std::string& kind, const Note& note) {
  SqliteQuery query(connection(), kPutNote, sticky_status());
  query.BindBytes(kind).BindBytes(note.key).BindBytes(note.value).Run();
}

void SqliteTransaction::EraseNote(const std::string& kind, const std::string& key) {
  SqliteQuery query(connection(), kEraseNote, sticky_status());
  query.BindBytes(kind).BindBytes(key).Run();
}

void SqliteTransaction::AppendAudit(const AuditEntry& entry) {
  SqliteQuery query(connection(), kAppendAudit, sticky_status());
  query.BindTime(entry.at).BindBytes(entry.role).BindBytes(entry.name).BindBytes(entry.user);
  query.BindBytes(entry.peer).BindBytes(entry.service).BindBytes(entry.method);
  query.BindBytes(entry.request_id).BindBytes(entry.subject).Run();
}

int64_t SqliteTransaction::PruneAudit(absl::Time before, int64_t limit) {
  return PruneSome(kPruneAudit, before, limit);
}

}  // namespace closewrite
