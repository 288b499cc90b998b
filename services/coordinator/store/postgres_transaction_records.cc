// The part of a transaction about events, logs, pipelines, sessions, locks and requests.
#include <algorithm>
#include <limits>

#include "services/coordinator/store/postgres_prune.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_schema.h"
#include "services/coordinator/store/postgres_transaction.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kLockCatalog[] = "SELECT pg_advisory_xact_lock($1::bigint)";
constexpr char kPutPipeline[] =
    "INSERT INTO closewrite.pipelines(name, version, applied_at, definition)"
    " VALUES ($1::bytea, $2::bigint, $3::bigint, $4::bytea) ON CONFLICT (name) DO UPDATE"
    " SET version = excluded.version, applied_at = excluded.applied_at,"
    " definition = excluded.definition";
constexpr char kDeletePipeline[] = "DELETE FROM closewrite.pipelines WHERE name = $1::bytea";
constexpr char kRaisePipelinesVersion[] =
    "UPDATE closewrite.pipelines_version SET version = version + 1 RETURNING version";
constexpr char kTryLock[] = "SELECT pg_try_advisory_xact_lock($1::bigint)";
// Nobody waits for the row: it is written by whoever holds the lock of the duty.
constexpr char kTakeTurn[] =
    "INSERT INTO closewrite.duties AS t (name, taken_at)"
    " SELECT $1::bytea, $2::bigint WHERE pg_try_advisory_xact_lock($5::bigint)"
    " ON CONFLICT (name) DO UPDATE SET taken_at = excluded.taken_at"
    " WHERE t.taken_at <= $3::bigint OR t.taken_at >= $4::bigint RETURNING 1";
constexpr char kLastTurn[] = "SELECT taken_at FROM closewrite.duties WHERE name = $1::bytea";
constexpr char kForgetRequests[] = "DELETE FROM closewrite.requests WHERE recorded_at < $1::bigint";

const std::string& ExpiredSessionsSql() {
  static const std::string* const sql =
      new std::string(StrCat("SELECT ", PostgresNames(SessionColumns()),
                             " FROM closewrite.sessions WHERE expires_at <= $1::bigint ORDER BY id"
                             " LIMIT $2::bigint FOR UPDATE SKIP LOCKED"));
  return *sql;
}

int64_t LockOf(const std::string& duty) {
  uint32_t low = 0;
  const PostgresHash hash = HashOf(duty);
  for (int i = 0; i < 4; ++i) low = (low << 8) | static_cast<unsigned char>(hash.bytes[i]);
  return static_cast<int64_t>(PostgresLock::kDuty) + low;
}

}  // namespace

PostgresResult PostgresTransaction::WriteNow(std::vector<PostgresQuery> queries) {
  if (!ok()) return PostgresResult();
  std::vector<PostgresQuery> batch = TakeWrites();
  for (PostgresQuery& query : queries) batch.push_back(std::move(query));
  absl::StatusOr<std::vector<PostgresResult>> results = connection()->Run(batch);
  Fail(results.status());
  if (!results.ok()) return PostgresResult();
  wrote_ = true;
  return std::move(results->back());
}

void PostgresTransaction::FlushIfLarge() {
  if (!ok() || set_.buffered_bytes() < PostgresWorkingSet::kBufferedBytesMax) return;
  Fail(connection()->Run(TakeWrites()).status());
}

std::optional<Attempt> PostgresTransaction::GetAttempt(const Lease& lease) {
  if (set_.FindAttempt(lease) == nullptr) {
    const std::optional<Attempt> stored = PostgresReads::GetAttempt(lease);
    if (ok()) set_.LoadAttempt(lease, stored);
  }
  if (!ok() || !set_.FindAttempt(lease)->has_value()) return std::nullopt;
  Attempt attempt = **set_.FindAttempt(lease);
  attempt.log_bytes = LogLength(lease);
  return attempt;
}

void PostgresTransaction::PutAttempt(const Attempt& attempt) {
  if (ok()) set_.AddAttempt(attempt);
}

int64_t PostgresTransaction::InsertEvent(const EventRecord& record) {
  if (!ok()) return 0;
  const int64_t sequence = record.event.sequence;
  const PostgresHash file = FileOf(record.event.file);
  const PostgresWorkingSet::Sequences& known = set_.sequences[record.ledger_id];
  if (known.present.contains(sequence)) return 0;
  PostgresWanted wanted;
  if (sequence < known.first || sequence > known.last) {
    wanted.sequences[record.ledger_id] = sequence;
  }
  if (set_.files.Find(file) == nullptr) wanted.files.insert(file);
  if (!wanted.sequences.empty() || !wanted.files.empty()) FetchNow(wanted);
  if (!ok() || set_.sequences[record.ledger_id].present.contains(sequence)) return 0;
  const std::optional<PostgresFile> row = FileRow(file);
  if (!ok()) return 0;
  EventRecord inserted = record;
  inserted.id = DrawId(&memory_.event_ids, &PostgresWanted::event_ids, row->event_id);
  if (!ok()) return 0;
  set_.AddEvent(inserted);
  return inserted.id;
}

std::optional<EventRecord> PostgresTransaction::LatestEvent(const std::string& volume,
                                                            const std::string& path) {
  const PostgresHash file = HashOf(volume, path);
  const std::optional<PostgresFile> row = FileRow(file);
  if (!ok() || row->event_id == 0) return std::nullopt;
  if (!set_.latest_events.contains(file)) {
    // Of all files that are known, as they will be asked for too.
    PostgresWanted wanted;
    set_.files.ForEach([&](const PostgresHash& other, const PostgresFile& of_other) {
      if (!set_.latest_events.contains(other)) wanted.events.insert(of_other.event_id);
    });
    if (!FetchNow(wanted)) return std::nullopt;
  }
  const auto found = set_.latest_events.find(file);
  if (found == set_.latest_events.end()) return std::nullopt;
  return found->second;
}

void PostgresTransaction::ChangePipelines(PostgresQuery change) {
  std::vector<PostgresQuery> queries;
  queries.push_back({.sql = kLockCatalog,
                     .params = PostgresParams().Int(static_cast<int64_t>(PostgresLock::kCatalog))});
  queries.push_back(std::move(change));
  RaisePipelinesVersion(std::move(queries));
}

void PostgresTransaction::RaisePipelinesVersion(std::vector<PostgresQuery> behind) {
  behind.push_back({.sql = kRaisePipelinesVersion});
  const PostgresResult result = WriteNow(std::move(behind));
  if (result.rows() > 0) pipelines_version_ = PostgresRow(result, 0).Int();
}

void PostgresTransaction::PutPipeline(const StoredPipeline& pipeline) {
  ChangePipelines({.sql = kPutPipeline,
                   .params = PostgresParams()
                                 .Bytes(pipeline.name)
                                 .Int(pipeline.version)
                                 .Time(pipeline.applied_at)
                                 .Bytes(pipeline.definition)});
}

void PostgresTransaction::DeletePipeline(const std::string& name) {
  ChangePipelines({.sql = kDeletePipeline, .params = PostgresParams().Bytes(name)});
}

std::optional<SessionRecord> PostgresTransaction::FindSession(const SessionId& id) {
  if (set_.sessions.Find(id) == nullptr) {
    PostgresWanted wanted;
    wanted.sessions.insert(id);
    FetchNow(wanted);
  }
  if (!ok()) return std::nullopt;
  return *set_.sessions.Find(id);
}

void PostgresTransaction::PutSession(const SessionRecord& session) {
  FindSession(session.id);
  if (!ok()) return;
  earliest_expiry_ = std::min(earliest_expiry_, session.expires_at);
  set_.sessions.Put(session.id, session);
}

void PostgresTransaction::EraseSession(const SessionId& id) {
  FindSession(id);
  if (ok()) set_.sessions.Put(id, std::nullopt);
}

std::vector<SessionRecord> PostgresTransaction::ExpiredSessions(absl::Time now, int64_t limit) {
  if (!ok() || limit <= 0 || earliest_expiry_ > now) return {};
  const PostgresResult result =
      Ask({.sql = ExpiredSessionsSql(), .params = PostgresParams().Time(now).Int(limit)});
  std::vector<SessionRecord> sessions;
  for (int i = 0; i < result.rows() && ok(); ++i) {
    sessions.push_back(ReadSession(PostgresRow(result, i), sticky_status()));
    set_.sessions.Load(sessions.back().id, sessions.back());
  }
  if (!ok()) sessions.clear();
  return sessions;
}

std::optional<Watcher> PostgresTransaction::FindWatcher(const std::string& host) {
  if (set_.watchers.Find(host) == nullptr) {
    PostgresWanted wanted;
    wanted.watchers.insert(host);
    FetchNow(wanted);
  }
  if (!ok()) return std::nullopt;
  return *set_.watchers.Find(host);
}

void PostgresTransaction::PutWatcher(const Watcher& watcher) {
  FindWatcher(watcher.host);
  if (ok()) set_.watchers.Put(watcher.host, watcher);
}

bool PostgresTransaction::MayGrantLocks() {
  if (ok() && !asked_for_grants_) {
    asked_for_grants_ = true;
    const absl::StatusOr<std::vector<PostgresResult>> results = connection()->Run(
        {{.sql = kTryLock,
          .params = PostgresParams().Int(static_cast<int64_t>(PostgresLock::kGrants))}});
    Fail(results.status());
    may_grant_locks_ = results.ok() && PostgresRow(results->front(), 0).Int() != 0;
  }
  return ok() && may_grant_locks_;
}

void PostgresTransaction::PutClaim(const LockClaim& claim) {
  if (ok()) set_.PutClaim(claim);
}

void PostgresTransaction::EraseClaim(const std::string& lock, const std::string& holder) {
  if (ok()) set_.EraseClaim(lock, holder);
}

void PostgresTransaction::EraseClaimsOf(const std::string& holder) {
  if (ok()) set_.EraseClaimsOf(holder);
}

bool PostgresTransaction::TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) {
  const auto turn = memory_.turns.find(duty);
  if (!ok()) return false;
  // A clock that was set back by much must not keep the duty undone.
  if (turn != memory_.turns.end() && absl::AbsDuration(now - turn->second) < every) return false;
  const absl::StatusOr<std::vector<PostgresResult>> results =
      connection()->Run({{.sql = kLastTurn, .params = PostgresParams().Bytes(duty)},
                         {.sql = kTakeTurn,
                          .params = PostgresParams()
                                        .Bytes(duty)
                                        .Time(now)
                                        .Time(now - every)
                                        .Time(now + every)
                                        .Int(LockOf(duty))}});
  Fail(results.status());
  if (!ok()) return false;
  if (results->back().rows() > 0) {
    wrote_ = took_turn_ = true;
    return true;
  }
  // Committed by somebody else, so it holds whatever becomes of this transaction.
  const PostgresResult& last = results->front();
  if (last.rows() > 0 && !took_turn_) memory_.turns[duty] = PostgresRow(last, 0).Time();
  return false;
}

std::optional<std::string> PostgresTransaction::FindRequest(const std::string& request_id) {
  const PostgresHash request = HashOf(request_id);
  if (set_.requests.Find(request) == nullptr) {
    PostgresWanted wanted;
    wanted.requests.insert(request);
    FetchNow(wanted);
  }
  if (!ok() || !set_.requests.Find(request)->has_value()) return std::nullopt;
  return (*set_.requests.Find(request))->answer;
}

void PostgresTransaction::RecordRequest(const std::string& request_id, const std::string& answer,
                                        absl::Time now) {
  FindRequest(request_id);
  if (ok()) set_.requests.Put(HashOf(request_id), PostgresRequest{now, answer});
}

void PostgresTransaction::ForgetRequests(absl::Time before) {
  WriteNow({{.sql = kForgetRequests, .params = PostgresParams().Time(before)}});
  set_.requests.Clear();
}

int64_t PostgresTransaction::Prune(absl::Time before, int64_t limit) {
  if (!ok() || limit <= 0) return 0;
  std::vector<PostgresQuery> writes = TakeWrites();
  if (!writes.empty()) Fail(connection()->Run(writes).status());
  if (!ok()) return 0;
  const absl::StatusOr<int64_t> gone =
      PrunePostgres(connection(), before, limit, &memory_.prune_cursor);
  Fail(gone.status());
  if (!ok()) return 0;
  wrote_ |= *gone > 0;
  set_.Forget();
  key_owners_.clear();
  return *gone;
}

}  // namespace closewrite
