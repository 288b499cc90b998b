#include "services/coordinator/store/postgres_monitoring_rows.h"

#include <algorithm>
#include <string_view>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr PostgresColumn kIncrementColumns[] = {{"job", "bytea"},
                                                {"type", "bytea"},
                                                {"datasource", "bytea"},
                                                {"value", "bigint"},
                                                {"logged_at", "bigint"}};
constexpr PostgresColumn kLoadColumns[] = {{"execution", "bytea"}, {"job", "bytea"},
                                           {"type", "bytea"},      {"datasource", "bytea"},
                                           {"records", "bigint"},  {"increment", "bigint"},
                                           {"logged_at", "bigint"}};
constexpr PostgresColumn kExecutionColumns[] = {{"id", "bytea"},
                                                {"job", "bytea"},
                                                {"state", "bigint"},
                                                {"started_at", "bigint"},
                                                {"ended_at", "bigint"}};

constexpr PostgresColumn kNoteColumns[] = {{"kind", "bytea"}, {"key", "bytea"}, {"value", "bytea"}};

constexpr PostgresColumn kAuditColumns[] = {
    {"made_at", "bigint"},    {"role", "bytea"},       {"name", "bytea"},
    {"portal_user", "bytea"}, {"peer", "bytea"},       {"service", "bytea"},
    {"method", "bytea"},      {"request_id", "bytea"}, {"subject", "bytea"}};

constexpr char kPoints[] =
    "SELECT id, count, line FROM (SELECT id, count, line, sum(count) OVER (ORDER BY id) - count"
    " AS before FROM (SELECT * FROM closewrite.points ORDER BY id LIMIT $1::bigint) AS first)"
    " AS counted WHERE before < $1::bigint ORDER BY id";
constexpr char kPointRange[] =
    "SELECT (SELECT id - count + 1 FROM closewrite.points ORDER BY id LIMIT 1),"
    " (SELECT id FROM closewrite.points ORDER BY id DESC LIMIT 1)";
constexpr char kNotes[] =
    "SELECT key, value FROM closewrite.notes WHERE kind = $1::bytea AND key > $2::bytea"
    " ORDER BY key LIMIT $3::bigint";
#define CLOSEWRITE_NOTE \
  "SELECT value FROM closewrite.notes WHERE kind = $1::bytea AND key = $2::bytea"
constexpr char kNote[] = CLOSEWRITE_NOTE;
constexpr char kLockedNote[] = CLOSEWRITE_NOTE " FOR UPDATE";
constexpr char kCountNotes[] =
    "SELECT count(*) FROM (SELECT FROM closewrite.notes WHERE kind = $1::bytea LIMIT $2::bigint)"
    " AS counted";

struct Sql {
  std::string increments =
      StrCat("SELECT ", PostgresNames(IncrementColumns()), " FROM closewrite.increments WHERE ");
  std::string increment =
      StrCat(increments, "job = $1::bytea AND type = $2::bytea AND datasource = $3::bytea");
  std::string locked_increment = StrCat(increment, " FOR UPDATE");
  std::string increments_after =
      StrCat(increments, "(job, type, datasource) > ($1::bytea, $2::bytea, $3::bytea)");
  std::string increments_order = " ORDER BY job, type, datasource LIMIT $4::bigint";
  std::string all_increments = StrCat(increments_after, increments_order);
  std::string increments_of_job =
      StrCat(increments_after, " AND job = $5::bytea", increments_order);

  std::string loads_behind = StrCat("SELECT id, ", PostgresNames(LoadColumns()),
                                    " FROM closewrite.loads WHERE logged_at >= $1::bigint"
                                    " AND (logged_at, id) < ($2::bigint, $3::bigint)");
  std::string loads_order = " ORDER BY logged_at DESC, id DESC LIMIT $4::bigint";
  std::string all_loads = StrCat(loads_behind, loads_order);
  std::string loads_of_job = StrCat(loads_behind, " AND job = $5::bytea", loads_order);
  std::string loads_of_datasource =
      StrCat(loads_behind, " AND datasource = $5::bytea", loads_order);
  std::string loads_of_both =
      StrCat(loads_behind, " AND job = $5::bytea AND datasource = $6::bytea", loads_order);

  std::string executions =
      StrCat("SELECT ", PostgresNames(ExecutionColumns()), " FROM closewrite.executions WHERE ");
  std::string execution = StrCat(executions, "id = $1::bytea");
  std::string locked_execution = StrCat(execution, " FOR UPDATE");
  std::string executions_behind =
      StrCat(executions, "started_at >= $1::bigint AND (started_at, id) < ($2::bigint, $3::bytea)");
  std::string executions_order = " ORDER BY started_at DESC, id DESC LIMIT $4::bigint";
  std::string all_executions = StrCat(executions_behind, executions_order);
  std::string executions_of_job =
      StrCat(executions_behind, " AND job = $5::bytea", executions_order);

  // Of what is empty there is no such name.
  std::string audit = StrCat("SELECT id, ", PostgresNames(AuditColumns()),
                             " FROM closewrite.audit WHERE made_at >= $1::bigint"
                             " AND (made_at, id) < ($2::bigint, $3::bigint)"
                             " AND ($5::bytea = '' OR name = $5::bytea OR portal_user = $5::bytea)"
                             " AND ($6::bytea = '' OR service = $6::bytea)"
                             " AND ($7::bytea = '' OR method = $7::bytea)"
                             " ORDER BY made_at DESC, id DESC LIMIT $4::bigint");
};

const Sql& Texts() {
  static const Sql* const sql = new Sql();
  return *sql;
}

// PostgreSQL takes no negative one.
int64_t AtMost(int64_t limit) { return std::max<int64_t>(limit, 0); }

}  // namespace

PostgresColumns IncrementColumns() { return kIncrementColumns; }
PostgresColumns LoadColumns() { return kLoadColumns; }
PostgresColumns ExecutionColumns() { return kExecutionColumns; }
PostgresColumns NoteColumns() { return kNoteColumns; }
PostgresColumns AuditColumns() { return kAuditColumns; }

void WriteIncrement(const Increment& increment, PostgresRows* rows) {
  rows->Row().Bytes(increment.job).Bytes(increment.type).Bytes(increment.datasource);
  rows->Int(increment.value).Time(increment.at);
}

void WriteLoad(const Load& load, PostgresRows* rows) {
  rows->Row().Bytes(load.execution).Bytes(load.job).Bytes(load.type).Bytes(load.datasource);
  rows->Int(load.records).Int(load.increment).Time(load.at);
}

void WriteExecution(const Execution& execution, PostgresRows* rows) {
  rows->Row().Bytes(execution.id).Bytes(execution.job);
  rows->Int(static_cast<int64_t>(execution.state));
  rows->Time(execution.started_at).Time(execution.ended_at);
}

void WriteNote(const NoteName& name, const std::string& value, PostgresRows* rows) {
  rows->Row().Bytes(name.first).Bytes(name.second).Bytes(value);
}

void WriteAuditEntry(const AuditEntry& entry, PostgresRows* rows) {
  rows->Row().Time(entry.at).Bytes(entry.role).Bytes(entry.name).Bytes(entry.user);
  rows->Bytes(entry.peer).Bytes(entry.service).Bytes(entry.method);
  rows->Bytes(entry.request_id).Bytes(entry.subject);
}

PostgresQuery PointsQuery(int64_t limit) {
  return {.sql = kPoints, .params = PostgresParams().Int(AtMost(limit))};
}

PostgresQuery PointRangeQuery() { return {.sql = kPointRange}; }

PostgresQuery IncrementQuery(const IncrementKey& key, bool lock) {
  return {.sql = lock ? Texts().locked_increment : Texts().increment,
          .params = PostgresParams().Bytes(key.job).Bytes(key.type).Bytes(key.datasource)};
}

PostgresQuery IncrementsQuery(const std::string& job, const IncrementKey& after, int64_t limit) {
  PostgresParams params;
  params.Bytes(after.job).Bytes(after.type).Bytes(after.datasource).Int(AtMost(limit));
  if (job.empty()) return {.sql = Texts().all_increments, .params = std::move(params)};
  params.Bytes(job);
  return {.sql = Texts().increments_of_job, .params = std::move(params)};
}

PostgresQuery LoadsQuery(const LoadFilter& filter, const LoadPlace& before, int64_t limit) {
  PostgresParams params;
  params.Time(filter.since).Time(before.at).Int(before.id).Int(AtMost(limit));
  const std::string* sql = &Texts().all_loads;
  if (!filter.job.empty()) {
    sql = &Texts().loads_of_job;
    params.Bytes(filter.job);
  }
  if (!filter.datasource.empty()) {
    sql = filter.job.empty() ? &Texts().loads_of_datasource : &Texts().loads_of_both;
    params.Bytes(filter.datasource);
  }
  return {.sql = *sql, .params = std::move(params)};
}

PostgresQuery ExecutionQuery(const std::string& id, bool lock) {
  return {.sql = lock ? Texts().locked_execution : Texts().execution,
          .params = PostgresParams().Bytes(id)};
}

PostgresQuery ExecutionsQuery(const ExecutionFilter& filter, const ExecutionPlace& before,
                              int64_t limit) {
  PostgresParams params;
  params.Time(filter.since).Time(before.started_at).Bytes(before.id).Int(AtMost(limit));
  if (filter.job.empty()) return {.sql = Texts().all_executions, .params = std::move(params)};
  params.Bytes(filter.job);
  return {.sql = Texts().executions_of_job, .params = std::move(params)};
}

PostgresQuery NotesQuery(const std::string& kind, const std::string& after, int64_t limit) {
  return {.sql = kNotes, .params = PostgresParams().Bytes(kind).Bytes(after).Int(AtMost(limit))};
}

PostgresQuery NoteQuery(const NoteName& name, bool lock) {
  return {.sql = lock ? kLockedNote : kNote,
          .params = PostgresParams().Bytes(name.first).Bytes(name.second)};
}

PostgresQuery CountNotesQuery(const std::string& kind, int64_t limit) {
  return {.sql = kCountNotes, .params = PostgresParams().Bytes(kind).Int(AtMost(limit))};
}

PostgresQuery AuditQuery(const AuditFilter& filter, const AuditPlace& before, int64_t limit) {
  PostgresParams params;
  params.Time(filter.since).Time(before.at).Int(before.id).Int(AtMost(limit));
  params.Bytes(filter.who).Bytes(filter.service).Bytes(filter.method);
  return {.sql = Texts().audit, .params = std::move(params)};
}

std::vector<PointBatch> PointBatchesOf(const PostgresResult& result) {
  std::vector<PointBatch> batches;
  batches.reserve(result.rows());
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    PointBatch& batch = batches.emplace_back();
    batch.id = row.Int();
    batch.count = row.Int();
    batch.lines = row.Bytes();
  }
  return batches;
}

PointRange PointRangeOf(const PostgresResult& result) {
  PointRange range;
  if (result.rows() == 0) return range;
  PostgresRow row(result, 0);
  range.oldest = row.Int();
  range.newest = row.Int();
  return range;
}

std::vector<Increment> IncrementsOf(const PostgresResult& result) {
  std::vector<Increment> increments;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    Increment& increment = increments.emplace_back();
    increment.job = row.Bytes();
    increment.type = row.Bytes();
    increment.datasource = row.Bytes();
    increment.value = row.Int();
    increment.at = row.Time();
  }
  return increments;
}

std::vector<Load> LoadsOf(const PostgresResult& result) {
  std::vector<Load> loads;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    Load& load = loads.emplace_back();
    load.id = row.Int();
    load.execution = row.Bytes();
    load.job = row.Bytes();
    load.type = row.Bytes();
    load.datasource = row.Bytes();
    load.records = row.Int();
    load.increment = row.Int();
    load.at = row.Time();
  }
  return loads;
}

std::vector<Execution> ExecutionsOf(const PostgresResult& result) {
  std::vector<Execution> executions;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    Execution& execution = executions.emplace_back();
    execution.id = row.Bytes();
    execution.job = row.Bytes();
    execution.state = static_cast<ExecutionState>(row.Int());
    execution.started_at = row.Time();
    execution.ended_at = row.Time();
  }
  return executions;
}

std::vector<Note> NotesOf(const PostgresResult& result) {
  std::vector<Note> notes;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    Note& note = notes.emplace_back();
    note.key = row.Bytes();
    note.value = row.Bytes();
  }
  return notes;
}

std::optional<std::string> NoteValueOf(const PostgresResult& result) {
  if (result.rows() == 0) return std::nullopt;
  return PostgresRow(result, 0).Bytes();
}

std::vector<AuditEntry> AuditOf(const PostgresResult& result) {
  std::vector<AuditEntry> entries;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    AuditEntry& entry = entries.emplace_back();
    entry.id = row.Int();
    entry.at = row.Time();
    entry.role = row.Bytes();
    entry.name = row.Bytes();
    entry.user = row.Bytes();
    entry.peer = row.Bytes();
    entry.service = row.Bytes();
    entry.method = row.Bytes();
    entry.request_id = row.Bytes();
    entry.subject = row.Bytes();
  }
  return entries;
}

int64_t CountOf(const PostgresResult& result) {
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

}  // namespace closewrite
