// The fleet and turns: the part of the SQLite store's transaction about them.
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
    "INSERT OR REPLACE INTO watchers(" CLOSEWRITE_WATCHER_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?)";
constexpr char kPutClaim[] =
    "INSERT OR REPLACE INTO lock_claims(lock, holder, job_id, host, pid, program, user, priority,"
    " asked_at, held_since, token) VALUES (?,?,?,?,?,?,?,?,?,?,?)";
constexpr char kEraseClaim[] = "DELETE FROM lock_claims WHERE lock = ? AND holder = ?";
constexpr char kEraseClaimsOf[] = "DELETE FROM lock_claims WHERE holder = ?";
constexpr char kFindTurn[] = "SELECT taken_at FROM turns WHERE duty = ?";
constexpr char kPutTurn[] = "INSERT OR REPLACE INTO turns(duty, taken_at) VALUES (?,?)";

}  // namespace

std::optional<SessionRecord> SqliteTransaction::FindSession(const SessionId& id) {
  SqliteQuery query(connection(), kFindSession, sticky_status());
  if (!query.BindBytes(id).Step()) return std::nullopt;
  return ReadSession(&query);
}

void SqliteTransaction::PutSession(const SessionRecord& session) {
  const std::string executor = EncodeHello(session);
  SqliteQuery query(connection(), kPutSession, sticky_status());
  query.BindBytes(session.id).BindBytes(executor).BindBytes(session.coordinator);
  query.BindInt(EncodeDraining(session))
      .BindTime(session.heartbeat_at)
      .BindTime(session.expires_at)
      .Run();
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
  query.BindBytes(watcher.host).BindBytes(watcher.ledger_id).BindInt(watcher.stream);
  query.BindBytes(watcher.coordinator);
  query.BindBytes(watcher.version).BindBytes(watcher.address).BindTime(watcher.heartbeat_at);
  query.BindTime(watcher.expires_at).BindBytes(volumes).Run();
}

void SqliteTransaction::PutClaim(const LockClaim& claim) {
  SqliteQuery query(connection(), kPutClaim, sticky_status());
  query.BindBytes(claim.lock).BindBytes(claim.holder).BindInt(claim.job.value);
  query.BindBytes(claim.host).BindInt(claim.pid).BindBytes(claim.program).BindBytes(claim.user);
  query.BindInt(claim.priority).BindTime(claim.asked_at).BindTime(claim.held_since);
  query.BindInt(claim.token).Run();
}

void SqliteTransaction::EraseClaim(const std::string& lock, const std::string& holder) {
  SqliteQuery query(connection(), kEraseClaim, sticky_status());
  query.BindBytes(lock).BindBytes(holder).Run();
}

void SqliteTransaction::EraseClaimsOf(const std::string& holder) {
  SqliteQuery query(connection(), kEraseClaimsOf, sticky_status());
  query.BindBytes(holder).Run();
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

}  // namespace closewrite
