#include "services/coordinator/store/postgres_working_set.h"

#include "services/coordinator/store/postgres_monitoring_rows.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr PostgresColumn kFileColumns[] = {
    {"file", "uuid"}, {"event_id", "bigint"}, {"job_id", "bigint"}};
constexpr PostgresColumn kRequestColumns[] = {
    {"request", "uuid"}, {"recorded_at", "bigint"}, {"answer", "bytea"}};
constexpr PostgresColumn kClaimColumns[] = {
    {"lock", "bytea"},      {"holder", "bytea"},    {"job_id", "bigint"},     {"pid", "bigint"},
    {"priority", "bigint"}, {"asked_at", "bigint"}, {"held_since", "bigint"}, {"token", "bigint"},
    {"host", "bytea"},      {"program", "bytea"},   {"owner", "bytea"}};
// Each point draws a number, the last of which is its row's id.
constexpr char kInsertPoints[] =
    "INSERT INTO closewrite.points(id, count, line) OVERRIDING SYSTEM VALUE"
    " SELECT (SELECT max(nextval('closewrite.points_id_seq')) FROM generate_series(1, u.count)),"
    " u.count, u.line FROM unnest($1::bigint[], $2::bytea[]) AS u(count, line)";

constexpr char kDeleteSessions[] =
    "DELETE FROM closewrite.sessions AS t USING unnest($1::bytea[]) AS u(id) WHERE t.id = u.id";
constexpr char kDeleteTasks[] =
    "DELETE FROM closewrite.tasks AS t USING unnest($1::bytea[]) AS u(name) WHERE t.name = u.name";
constexpr char kDeleteNotes[] =
    "DELETE FROM closewrite.notes AS t USING unnest($1::bytea[], $2::bytea[]) AS u(kind, key)"
    " WHERE t.kind = u.kind AND t.key = u.key";
constexpr char kDeleteClaims[] =
    "DELETE FROM closewrite.lock_claims AS t USING unnest($1::bytea[], $2::bytea[])"
    " AS u(lock, holder) WHERE t.lock = u.lock AND t.holder = u.holder";
constexpr char kDeleteClaimsOf[] =
    "DELETE FROM closewrite.lock_claims AS t USING unnest($1::bytea[]) AS u(holder)"
    " WHERE t.holder = u.holder";

// The statements that insert and update rows of one table; made once.
struct Sql {
  std::string insert;
  std::string update;
};
Sql SqlOf(std::string_view table, PostgresColumns columns) {
  return {PostgresInsert(table, columns), PostgresUpdate(table, columns)};
}

using Names = std::vector<std::string>;
void Delete(std::vector<PostgresQuery>* batch, const char* sql, const Names& names) {
  if (names.empty()) return;
  PostgresArray array;
  for (const std::string& name : names) array.Bytes(name);
  batch->push_back({.sql = sql, .params = PostgresParams().Array(std::move(array))});
}

// Replaces what is there with the same first `keys` columns.
std::string Upsert(std::string_view table, PostgresColumns columns, size_t keys) {
  std::string set;
  for (const PostgresColumn& column : columns.subspan(keys)) {
    StrAppend(&set, set.empty() ? "" : ", ", column.name, " = excluded.", column.name);
  }
  return StrCat(PostgresInsert(table, columns), " ON CONFLICT (",
                PostgresNames(columns.first(keys)), ") DO UPDATE SET ", set);
}

void Add(std::vector<PostgresQuery>* batch, std::string_view sql, PostgresRows rows) {
  if (rows.empty()) return;
  batch->push_back({.sql = sql, .params = PostgresParams().Rows(std::move(rows))});
}

void WriteFile(const PostgresHash& file, const PostgresFile& value, PostgresRows* rows) {
  rows->Row().Hash(file).Int(value.event_id).Int(value.job_id);
}

void WriteRequest(const PostgresHash& request, const PostgresRequest& value, PostgresRows* rows) {
  rows->Row().Hash(request).Time(value.recorded_at).Bytes(value.answer);
}

// Adds the writes of `cache`; rows are written by `write(key, value, rows)`, and erased by
// `erase(key)`.
template <class Cache, class Write, class Erase>
void AddRows(Cache* cache, const Sql& sql, Write write, Erase erase,
             std::vector<PostgresQuery>* batch) {
  PostgresRows inserted;
  PostgresRows updated;
  cache->TakeWrites([&](const auto& key, const auto& value) { write(key, value, &inserted); },
                    [&](const auto& key, const auto& value) { write(key, value, &updated); },
                    erase);
  Add(batch, sql.update, std::move(updated));
  Add(batch, sql.insert, std::move(inserted));
}

}  // namespace

void PostgresWorkingSet::AddEvent(const EventRecord& record) {
  WriteEvent(record, &events_);
  const PostgresHash file = FileOf(record.event.file);
  const std::optional<PostgresFile>* const known = files.Find(file);
  PostgresFile row = known == nullptr ? PostgresFile() : known->value_or(PostgresFile());
  row.event_id = record.id;
  files.Put(file, row);
  latest_events[file] = record;
  sequences[record.ledger_id].present.insert(record.event.sequence);
}

void PostgresWorkingSet::AddAttempt(const Attempt& attempt) {
  const Lease lease{attempt.job, attempt.token};
  attempts_[lease] = attempt;
  new_attempts_.insert(lease);
}

void PostgresWorkingSet::LoadAttempt(const Lease& lease, const std::optional<Attempt>& attempt) {
  attempts_.try_emplace(lease, attempt);
  if (attempt.has_value()) LoadLog(lease, attempt->log_bytes);
}

const std::optional<Attempt>* PostgresWorkingSet::FindAttempt(const Lease& lease) const {
  const auto found = attempts_.find(lease);
  return found == attempts_.end() ? nullptr : &found->second;
}

std::optional<int64_t> PostgresWorkingSet::LogLength(const Lease& lease) const {
  const auto found = log_lengths_.find(lease);
  if (found == log_lengths_.end()) return std::nullopt;
  return found->second;
}

void PostgresWorkingSet::AppendLog(const Lease& lease, LogRow row) {
  log_lengths_[lease] = row.end();
  buffered_bytes_ += row.data.size();
  std::vector<LogRow>& rows = appended_[lease];
  LogRow* const last = rows.empty() ? nullptr : &rows.back();
  if (last != nullptr && last->format == row.format && last->bytes + row.bytes <= kLogRowBytesMax) {
    last->data += row.data;
    last->bytes += row.bytes;
  } else {
    rows.push_back(std::move(row));
  }
}

void PostgresWorkingSet::PutClaim(const LockClaim& claim) {
  claims_[{claim.lock, claim.holder}] = claim;
}

void PostgresWorkingSet::EraseClaim(const std::string& lock, const std::string& holder) {
  claims_.erase({lock, holder});
  erased_claims_.emplace(lock, holder);
}

void PostgresWorkingSet::EraseClaimsOf(const std::string& holder) {
  std::erase_if(claims_, [&](const auto& entry) { return entry.first.second == holder; });
  gone_holders_.insert(holder);
}

void PostgresWorkingSet::AddPoints(int64_t count, std::string_view lines) {
  points_.Row().Int(count).Bytes(lines);
  buffered_bytes_ += lines.size();
}

void PostgresWorkingSet::AddLoad(const Load& load) { WriteLoad(load, &loads_); }

void PostgresWorkingSet::AddAudit(const AuditEntry& entry) { WriteAuditEntry(entry, &audit_); }

void PostgresWorkingSet::PutNote(const NoteName& name, std::optional<std::string> value) {
  buffered_bytes_ += value.has_value() ? value->size() : 0;
  notes.Put(name, std::move(value));
}

void PostgresWorkingSet::Forget() {
  jobs.Clear();
  files.Clear();
  latest_events.clear();
  sequences.clear();
  attempts_.clear();
  log_lengths_.clear();
}

bool PostgresWorkingSet::dirty() const {
  return jobs.dirty() || files.dirty() || requests.dirty() || sessions.dirty() ||
         watchers.dirty() || tasks.dirty() || increments.dirty() || executions.dirty() ||
         notes.dirty() || !points_.empty() || !loads_.empty() || !audit_.empty() ||
         !events_.empty() || !new_attempts_.empty() || !appended_.empty() || !logs.empty() ||
         !claims_.empty() || !erased_claims_.empty() || !gone_holders_.empty();
}

void PostgresWorkingSet::AddLogs(std::vector<PostgresQuery>* batch) {
  PostgresRows rows;
  for (const auto& [lease, log_rows] : appended_) {
    for (const LogRow& row : log_rows) WriteLogRow(lease, row, &rows);
  }
  appended_.clear();
  Add(batch, InsertLogRowsSql(), std::move(rows));
  logs.AddWrites(batch);
}

void PostgresWorkingSet::AddClaims(std::vector<PostgresQuery>* batch) {
  static const std::string* const upsert =
      new std::string(Upsert("closewrite.lock_claims", kClaimColumns, 2));
  Delete(batch, kDeleteClaimsOf, Names(gone_holders_.begin(), gone_holders_.end()));
  PostgresRows erased;
  for (const auto& [lock, holder] : erased_claims_) erased.Row().Bytes(lock).Bytes(holder);
  Add(batch, kDeleteClaims, std::move(erased));
  PostgresRows rows;
  for (const auto& [key, claim] : claims_) {
    rows.Row().Bytes(claim.lock).Bytes(claim.holder).Int(claim.job.value).Int(claim.pid);
    rows.Int(claim.priority).Time(claim.asked_at).Time(claim.held_since).Int(claim.token);
    rows.Bytes(claim.host).Bytes(claim.program).Bytes(claim.user);
  }
  Add(batch, *upsert, std::move(rows));
  gone_holders_.clear();
  erased_claims_.clear();
  claims_.clear();
}

void PostgresWorkingSet::AddSmallRows(std::vector<PostgresQuery>* batch) {
  static const Sql* const file_sql = new Sql(SqlOf("closewrite.files", kFileColumns));
  static const Sql* const request_sql = new Sql(SqlOf("closewrite.requests", kRequestColumns));
  static const Sql* const session_sql = new Sql(SqlOf("closewrite.sessions", SessionColumns()));
  static const Sql* const task_sql = new Sql(SqlOf("closewrite.tasks", TaskColumns()));
  static const Sql* const watcher_sql = new Sql(SqlOf("closewrite.watchers", WatcherColumns()));
  const auto never = [](const auto&) {};
  AddRows(&files, *file_sql, WriteFile, never, batch);
  AddRows(&requests, *request_sql, WriteRequest, never, batch);
  Names ended;
  AddRows(
      &sessions, *session_sql,
      [](const SessionId&, const SessionRecord& session, PostgresRows* rows) {
        WriteSession(session, rows);
      },
      [&](const SessionId& id) { ended.push_back(id); }, batch);
  Delete(batch, kDeleteSessions, ended);
  Names removed;
  AddRows(
      &tasks, *task_sql,
      [](const std::string&, const StoredTask& task, PostgresRows* rows) { WriteTask(task, rows); },
      [&](const std::string& name) { removed.push_back(name); }, batch);
  Delete(batch, kDeleteTasks, removed);
  AddRows(
      &watchers, *watcher_sql,
      [](const std::string&, const Watcher& watcher, PostgresRows* rows) {
        WriteWatcher(watcher, rows);
      },
      never, batch);
}

void PostgresWorkingSet::AddNotes(std::vector<PostgresQuery>* batch) {
  static const Sql* const note_sql =
      new Sql{PostgresInsert("closewrite.notes", NoteColumns()),
              PostgresUpdate("closewrite.notes", NoteColumns(), /*keys=*/2)};
  PostgresRows erased;
  AddRows(
      &notes, *note_sql, WriteNote,
      [&](const NoteName& name) { erased.Row().Bytes(name.first).Bytes(name.second); }, batch);
  Add(batch, kDeleteNotes, std::move(erased));
}

void PostgresWorkingSet::AddMonitoring(std::vector<PostgresQuery>* batch) {
  static const std::string* const insert_loads =
      new std::string(PostgresInsert("closewrite.loads", LoadColumns()));
  static const Sql* const increment_sql =
      new Sql{PostgresInsert("closewrite.increments", IncrementColumns()),
              PostgresUpdate("closewrite.increments", IncrementColumns(), /*keys=*/3)};
  static const Sql* const execution_sql =
      new Sql(SqlOf("closewrite.executions", ExecutionColumns()));
  Add(batch, kInsertPoints, std::exchange(points_, PostgresRows()));
  static const std::string* const insert_audit =
      new std::string(PostgresInsert("closewrite.audit", AuditColumns()));
  Add(batch, *insert_loads, std::exchange(loads_, PostgresRows()));
  Add(batch, *insert_audit, std::exchange(audit_, PostgresRows()));
  const auto never = [](const auto&) {};
  AddRows(
      &increments, *increment_sql,
      [](const IncrementKey&, const Increment& increment, PostgresRows* rows) {
        WriteIncrement(increment, rows);
      },
      never, batch);
  AddRows(
      &executions, *execution_sql,
      [](const std::string&, const Execution& execution, PostgresRows* rows) {
        WriteExecution(execution, rows);
      },
      never, batch);
  AddNotes(batch);
}

std::vector<PostgresQuery> PostgresWorkingSet::TakeWrites() {
  static const std::string* const insert_events =
      new std::string(PostgresInsert("closewrite.events", EventColumns()));
  static const std::string* const upsert_attempts =
      new std::string(Upsert("closewrite.attempts", AttemptColumns(), 2));
  wrote_ = wrote();
  std::vector<PostgresQuery> batch;
  jobs.AddWrites(&batch);
  Add(&batch, *insert_events, std::exchange(events_, PostgresRows()));
  PostgresRows attempts;
  for (const Lease& lease : new_attempts_) WriteAttempt(*attempts_.at(lease), &attempts);
  new_attempts_.clear();
  Add(&batch, *upsert_attempts, std::move(attempts));
  AddLogs(&batch);
  AddClaims(&batch);
  AddSmallRows(&batch);
  AddMonitoring(&batch);
  buffered_bytes_ = 0;
  return batch;
}

}  // namespace closewrite
