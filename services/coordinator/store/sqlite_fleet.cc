// The fleet, turns and what is forgotten: the rest of the SQLite store's transaction.
#include <string>
#include <vector>

#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_rows.h"
#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {
namespace {

constexpr char kFindSession[] = "SELECT " CLOSEWRITE_SESSION_COLUMNS " FROM sessions WHERE id = ?";
constexpr char kPutSession[] =
    "INSERT OR REPLACE INTO sessions(" CLOSEWRITE_SESSION_COLUMNS ") VALUES (?,?,?,?,?,?)";
constexpr char kEraseSession[] = "DELETE FROM sessions WHERE id = ?";
// The table holds a row an executor.
constexpr char kExpiredSessions[] =
    "SELECT " CLOSEWRITE_SESSION_COLUMNS " FROM sessions WHERE expires_at <= ? ORDER BY id LIMIT ?";
constexpr char kFindWatcher[] =
    "SELECT " CLOSEWRITE_WATCHER_COLUMNS " FROM watchers WHERE host = ?";
constexpr char kPutWatcher[] =
    "INSERT OR REPLACE INTO watchers(" CLOSEWRITE_WATCHER_COLUMNS ") VALUES (?,?,?,?,?,?,?,?)";
constexpr char kPutLock[] =
    "INSERT OR REPLACE INTO locks(name, job_id, host, since) VALUES (?,?,?,?)";
constexpr char kEraseLocksOf[] = "DELETE FROM locks WHERE job_id = ?";
constexpr char kFindTurn[] = "SELECT taken_at FROM turns WHERE duty = ?";
constexpr char kPutTurn[] = "INSERT OR REPLACE INTO turns(duty, taken_at) VALUES (?,?)";

// Kinds 4 and 5: the file is gone. See StoreTransaction::Prune for what stays.
#define CLOSEWRITE_LATEST_OF(volume, path)                                                     \
  "(SELECT max(n.id) FROM events AS n WHERE n.volume = " volume " AND n.path = " path ")"
constexpr char kForgettableJobs[] =
    "SELECT j.id FROM jobs AS j INDEXED BY jobs_finished WHERE j.finished = 1"
    " AND j.finished_at < ?1"
    " AND NOT EXISTS (SELECT 1 FROM jobs AS f WHERE f.after_id = j.id AND f.after_id <> 0"
    "   AND f.finished = 0)"
    " AND NOT EXISTS (SELECT 1 FROM jobs AS c WHERE c.finished = 0 AND c.caused_by_job = j.id"
    "   AND c.caused_by_job <> 0)"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.id = j.event_id AND e.kind NOT IN (4, 5)"
    "   AND (e.kind <> 3 OR e.evidence <> 0)"
    "   AND e.id = " CLOSEWRITE_LATEST_OF("e.volume", "e.path") ")"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.id = "
    CLOSEWRITE_LATEST_OF("j.input_volume", "j.input_path")
    "   AND e.kind NOT IN (4, 5) AND (e.kind <> 3 OR e.evidence <> 0)"
    "   AND e.inode = j.input_inode AND e.size = j.input_size"
    "   AND e.mtime_ns = j.input_mtime_ns)"
    " LIMIT ?2";
// Not the newest one of a path while an older one stays: that would then look like the newest.
constexpr char kForgettableEvents[] =
    "SELECT e.id FROM events AS e INDEXED BY events_by_receipt WHERE e.received_at < ?1"
    " AND NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.finished = 0 AND j.event_id = e.id"
    "   AND j.event_id <> 0)"
    " AND (e.id < " CLOSEWRITE_LATEST_OF("e.volume", "e.path")
    "   OR ((e.kind IN (4, 5) OR (e.kind = 3 AND e.evidence = 0)) AND NOT EXISTS (SELECT 1"
    "     FROM events AS o WHERE o.volume = e.volume AND o.path = e.path AND o.id < e.id)))"
    " LIMIT ?2";
constexpr char kDeleteJob[] = "DELETE FROM jobs WHERE id = ?";
constexpr char kDeleteAttempts[] = "DELETE FROM attempts WHERE job_id = ?";
constexpr char kDeleteLogs[] = "DELETE FROM log_chunks WHERE job_id = ?";
constexpr char kDeleteEvent[] = "DELETE FROM events WHERE id = ?";

std::vector<int64_t> ReadIds(SqliteQuery* query) {
  std::vector<int64_t> ids;
  while (query->Step()) ids.push_back(query->Int());
  return ids;
}

}  // namespace

std::optional<SessionRecord> SqliteTransaction::FindSession(const SessionId& id) {
  SqliteQuery query(connection(), kFindSession, sticky_status());
  if (!query.BindBytes(id).Step()) return std::nullopt;
  return ReadSession(&query);
}

void SqliteTransaction::PutSession(const SessionRecord& session) {
  const std::string executor = EncodeHello(session.executor);
  SqliteQuery query(connection(), kPutSession, sticky_status());
  query.BindBytes(session.id).BindBytes(executor).BindBytes(session.coordinator);
  query.BindInt(session.draining).BindTime(session.heartbeat_at).BindTime(session.expires_at).Run();
}

void SqliteTransaction::EraseSession(const SessionId& id) {
  SqliteQuery query(connection(), kEraseSession, sticky_status());
  query.BindBytes(id).Run();
}

std::vector<SessionRecord> SqliteTransaction::ExpiredSessions(absl::Time now, int64_t limit) {
  if (limit <= 0) return {};
  SqliteQuery query(connection(), kExpiredSessions, sticky_status());
  query.BindTime(now).BindInt(limit);
  std::vector<SessionRecord> sessions;
  while (query.Step()) sessions.push_back(ReadSession(&query));
  return sessions;
}

std::optional<Watcher> SqliteTransaction::FindWatcher(const std::string& host) {
  SqliteQuery query(connection(), kFindWatcher, sticky_status());
  if (!query.BindBytes(host).Step()) return std::nullopt;
  return ReadWatcher(&query);
}

void SqliteTransaction::PutWatcher(const Watcher& watcher) {
  const std::string volumes = EncodeVolumes(watcher.volumes);
  SqliteQuery query(connection(), kPutWatcher, sticky_status());
  query.BindBytes(watcher.host).BindBytes(watcher.ledger_id).BindBytes(watcher.coordinator);
  query.BindBytes(watcher.version).BindBytes(watcher.address).BindTime(watcher.heartbeat_at);
  query.BindTime(watcher.expires_at).BindBytes(volumes).Run();
}

void SqliteTransaction::PutLock(const LockHolder& holder) {
  SqliteQuery query(connection(), kPutLock, sticky_status());
  query.BindBytes(holder.lock).BindInt(holder.job.value).BindBytes(holder.host);
  query.BindTime(holder.since).Run();
}

void SqliteTransaction::EraseLocksOf(JobId job) {
  SqliteQuery query(connection(), kEraseLocksOf, sticky_status());
  query.BindInt(job.value).Run();
}

bool SqliteTransaction::TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) {
  {
    SqliteQuery query(connection(), kFindTurn, sticky_status());
    // A clock that was set back by much must not keep the duty undone.
    if (query.BindBytes(duty).Step() && absl::AbsDuration(now - query.Time()) < every) return false;
  }
  SqliteQuery query(connection(), kPutTurn, sticky_status());
  return query.BindBytes(duty).BindTime(now).Run();
}

int64_t SqliteTransaction::Prune(absl::Time before, int64_t limit) {
  std::vector<int64_t> jobs;
  {
    SqliteQuery query(connection(), kForgettableJobs, sticky_status());
    query.BindTime(before).BindInt(limit);
    jobs = ReadIds(&query);
  }
  for (const int64_t id : jobs) {
    for (const char* sql : {kDeleteJob, kDeleteAttempts, kDeleteLogs}) {
      SqliteQuery query(connection(), sql, sticky_status());
      query.BindInt(id).Run();
    }
  }
  std::vector<int64_t> events;
  {
    SqliteQuery query(connection(), kForgettableEvents, sticky_status());
    query.BindTime(before).BindInt(limit);
    events = ReadIds(&query);
  }
  for (const int64_t id : events) {
    SqliteQuery query(connection(), kDeleteEvent, sticky_status());
    query.BindInt(id).Run();
  }
  return static_cast<int64_t>(jobs.size() + events.size());
}

}  // namespace closewrite
