#include "services/coordinator/store/sqlite_monitoring_rows.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace closewrite {
namespace {

// INDEXED BY where the planner, which has no statistics, could take another index that fits too.

constexpr char kReadPoints[] =
    "SELECT id, count, line FROM points WHERE id > 0 ORDER BY id LIMIT ?";
constexpr char kOldestPoint[] =
    "SELECT id - count + 1 FROM points WHERE id > 0 ORDER BY id LIMIT 1";
constexpr char kNewestPoint[] = "SELECT max(id) FROM points";

#define CLOSEWRITE_INCREMENT_SELECT \
  "SELECT job, type, datasource, value, logged_at FROM increments WHERE "
#define CLOSEWRITE_INCREMENT_PAGE " ORDER BY job, type, datasource LIMIT ?"
constexpr char kFindIncrement[] =
    CLOSEWRITE_INCREMENT_SELECT "job = ? AND type = ? AND datasource = ?";
constexpr char kAllIncrements[] =
    CLOSEWRITE_INCREMENT_SELECT "(job, type, datasource) > (?, ?, ?)" CLOSEWRITE_INCREMENT_PAGE;
constexpr char kIncrementsOfJob[] =
    CLOSEWRITE_INCREMENT_SELECT "job = ? AND (type, datasource) > (?, ?)" CLOSEWRITE_INCREMENT_PAGE;

#define CLOSEWRITE_LOAD_SELECT(index)                                                \
  "SELECT id, execution, job, type, datasource, records, increment, logged_at FROM " \
  "loads INDEXED BY " index " WHERE logged_at >= ?1 AND (logged_at, id) < (?2, ?3)"
#define CLOSEWRITE_LOAD_PAGE " ORDER BY logged_at DESC, id DESC LIMIT ?4"
constexpr char kAllLoads[] = CLOSEWRITE_LOAD_SELECT("loads_by_time") CLOSEWRITE_LOAD_PAGE;
constexpr char kLoadsOfJob[] =
    CLOSEWRITE_LOAD_SELECT("loads_by_job") " AND job = ?5" CLOSEWRITE_LOAD_PAGE;
// A data source is loaded by few jobs, while a job may load many.
constexpr char kLoadsOfDatasource[] = CLOSEWRITE_LOAD_SELECT(
    "loads_by_datasource") " AND datasource = ?6 AND (?5 IS NULL OR job = ?5)" CLOSEWRITE_LOAD_PAGE;

#define CLOSEWRITE_EXECUTION_SELECT "SELECT id, job, state, started_at, ended_at FROM executions "
#define CLOSEWRITE_EXECUTION_WHERE " WHERE started_at >= ?1 AND (started_at, id) < (?2, ?3)"
#define CLOSEWRITE_EXECUTION_PAGE " ORDER BY started_at DESC, id DESC LIMIT ?4"
constexpr char kFindExecution[] = CLOSEWRITE_EXECUTION_SELECT "WHERE id = ?";
constexpr char kAllExecutions[] = CLOSEWRITE_EXECUTION_SELECT
    "INDEXED BY executions_by_start" CLOSEWRITE_EXECUTION_WHERE CLOSEWRITE_EXECUTION_PAGE;
constexpr char kExecutionsOfJob[] =
    CLOSEWRITE_EXECUTION_SELECT "INDEXED BY executions_by_job" CLOSEWRITE_EXECUTION_WHERE
                                " AND job = ?5" CLOSEWRITE_EXECUTION_PAGE;

constexpr char kListNotes[] =
    "SELECT key, value FROM notes WHERE kind = ? AND key > ? ORDER BY key LIMIT ?";
constexpr char kFindNote[] = "SELECT value FROM notes WHERE kind = ? AND key = ?";
constexpr char kCountNotes[] = "SELECT count(*) FROM (SELECT 1 FROM notes WHERE kind = ? LIMIT ?)";

constexpr char kListAudit[] =
    "SELECT id, made_at, role, name, portal_user, peer, service, method, request_id, subject"
    " FROM audit INDEXED BY audit_by_time WHERE made_at >= ?1 AND (made_at, id) < (?2, ?3)"
    " AND (?5 IS NULL OR name = ?5 OR portal_user = ?5) AND (?6 IS NULL OR service = ?6)"
    " AND (?7 IS NULL OR method = ?7) ORDER BY made_at DESC, id DESC LIMIT ?4";

// What `read` makes of each row.
template <class Row>
std::vector<Row> ReadAll(SqliteQuery* query, Row (*read)(SqliteQuery*),
                         const absl::Status& status) {
  std::vector<Row> rows;
  while (query->Step()) rows.push_back(read(query));
  if (!status.ok()) rows.clear();
  return rows;
}

Increment ReadIncrementRow(SqliteQuery* query) {
  Increment increment;
  increment.job = query->Bytes();
  increment.type = query->Bytes();
  increment.datasource = query->Bytes();
  increment.value = query->Int();
  increment.at = query->Time();
  return increment;
}

Load ReadLoad(SqliteQuery* query) {
  Load load;
  load.id = query->Int();
  load.execution = query->Bytes();
  load.job = query->Bytes();
  load.type = query->Bytes();
  load.datasource = query->Bytes();
  load.records = query->Int();
  load.increment = query->Int();
  load.at = query->Time();
  return load;
}

Execution ReadExecutionRow(SqliteQuery* query) {
  Execution execution;
  execution.id = query->Bytes();
  execution.job = query->Bytes();
  execution.state = static_cast<ExecutionState>(query->Int());
  execution.started_at = query->Time();
  execution.ended_at = query->Time();
  return execution;
}

AuditEntry ReadAuditEntry(SqliteQuery* query) {
  AuditEntry entry;
  entry.id = query->Int();
  entry.at = query->Time();
  entry.role = query->Bytes();
  entry.name = query->Bytes();
  entry.user = query->Bytes();
  entry.peer = query->Bytes();
  entry.service = query->Bytes();
  entry.method = query->Bytes();
  entry.request_id = query->Bytes();
  entry.subject = query->Bytes();
  return entry;
}

Note ReadNoteRow(SqliteQuery* query) {
  Note note;
  note.key = query->Bytes();
  note.value = query->Bytes();
  return note;
}

}  // namespace

std::vector<PointBatch> ReadPointBatches(SqliteConnection* connection, int64_t limit,
                                         absl::Status* status) {
  std::vector<PointBatch> batches;
  if (limit <= 0) return batches;
  SqliteQuery query(connection, kReadPoints, status);
  query.BindInt(limit);
  for (int64_t count = 0; count < limit && query.Step();) {
    PointBatch& batch = batches.emplace_back();
    batch.id = query.Int();
    batch.count = query.Int();
    batch.lines = query.Bytes();
    count += batch.count;
  }
  if (!status->ok()) batches.clear();
  return batches;
}

PointRange ReadPointRange(SqliteConnection* connection, absl::Status* status) {
  SqliteQuery oldest(connection, kOldestPoint, status);
  SqliteQuery newest(connection, kNewestPoint, status);
  if (!oldest.Step() || !newest.Step()) return {};
  return {.oldest = oldest.Int(), .newest = newest.Int()};
}

std::optional<Increment> ReadIncrement(SqliteConnection* connection, const IncrementKey& key,
                                       absl::Status* status) {
  SqliteQuery query(connection, kFindIncrement, status);
  query.BindBytes(key.job).BindBytes(key.type).BindBytes(key.datasource);
  if (!query.Step()) return std::nullopt;
  return ReadIncrementRow(&query);
}

std::vector<Increment> ReadIncrements(SqliteConnection* connection, const std::string& job,
                                      const IncrementKey& after, int64_t limit,
                                      absl::Status* status) {
  if (limit <= 0 || (!job.empty() && after.job > job)) return {};
  SqliteQuery query(connection, job.empty() ? kAllIncrements : kIncrementsOfJob, status);
  query.BindBytes(job.empty() ? after.job : job);
  if (job.empty() || after.job == job) {
    query.BindBytes(after.type).BindBytes(after.datasource);
  } else {
    query.BindInt(0).BindInt(0);  // numbers come before all bytes, the empty ones too
  }
  query.BindInt(limit);
  return ReadAll(&query, ReadIncrementRow, *status);
}

std::vector<Load> ReadLoads(SqliteConnection* connection, const LoadFilter& filter,
                            const LoadPlace& before, int64_t limit, absl::Status* status) {
  if (limit <= 0) return {};
  const char* sql = kAllLoads;
  if (!filter.job.empty()) sql = kLoadsOfJob;
  if (!filter.datasource.empty()) sql = kLoadsOfDatasource;
  SqliteQuery query(connection, sql, status);
  query.BindTime(filter.since).BindTime(before.at).BindInt(before.id).BindInt(limit);
  if (sql != kAllLoads) query.BindBytesOrNull(filter.job);
  if (sql == kLoadsOfDatasource) query.BindBytes(filter.datasource);
  return ReadAll(&query, ReadLoad, *status);
}

std::optional<Execution> ReadExecution(SqliteConnection* connection, const std::string& id,
                                       absl::Status* status) {
  SqliteQuery query(connection, kFindExecution, status);
  if (!query.BindBytes(id).Step()) return std::nullopt;
  return ReadExecutionRow(&query);
}

std::vector<Execution> ReadExecutions(SqliteConnection* connection, const ExecutionFilter& filter,
                                      const ExecutionPlace& before, int64_t limit,
                                      absl::Status* status) {
  if (limit <= 0) return {};
  const char* const sql = filter.job.empty() ? kAllExecutions : kExecutionsOfJob;
  SqliteQuery query(connection, sql, status);
  query.BindTime(filter.since).BindTime(before.started_at).BindBytes(before.id).BindInt(limit);
  if (!filter.job.empty()) query.BindBytes(filter.job);
  return ReadAll(&query, ReadExecutionRow, *status);
}

std::vector<Note> ReadNotes(SqliteConnection* connection, const std::string& kind,
                            const std::string& after, int64_t limit, absl::Status* status) {
  if (limit <= 0) return {};
  SqliteQuery query(connection, kListNotes, status);
  query.BindBytes(kind).BindBytes(after).BindInt(limit);
  return ReadAll(&query, ReadNoteRow, *status);
}

std::optional<std::string> ReadNote(SqliteConnection* connection, const std::string& kind,
                                    const std::string& key, absl::Status* status) {
  SqliteQuery query(connection, kFindNote, status);
  if (!query.BindBytes(kind).BindBytes(key).Step()) return std::nullopt;
  return query.Bytes();
}

int64_t ReadNoteCount(SqliteConnection* connection, const std::string& kind, int64_t limit,
                      absl::Status* status) {
  if (limit <= 0) return 0;
  SqliteQuery query(connection, kCountNotes, status);
  return query.BindBytes(kind).BindInt(limit).Step() ? query.Int() : 0;
}

std::vector<AuditEntry> ReadAudit(SqliteConnection* connection, const AuditFilter& filter,
                                  const AuditPlace& before, int64_t limit, absl::Status* status) {
  if (limit <= 0) return {};
  SqliteQuery query(connection, kListAudit, status);
  query.BindTime(filter.since).BindTime(before.at).BindInt(before.id).BindInt(limit);
  query.BindBytesOrNull(filter.who).BindBytesOrNull(filter.service).BindBytesOrNull(filter.method);
  return ReadAll(&query, ReadAuditEntry, *status);
}

}  // namespace closewrite
