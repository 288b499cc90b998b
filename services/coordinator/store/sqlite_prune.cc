// What is forgotten: the part of the SQLite store's transaction about it.
#include <algorithm>
#include <string>
#include <vector>

#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {
namespace {

// Rows that one call looks at for each one that it may forget, so that it is short however many are
// kept.
constexpr int64_t kRowsPerForgotten = 5;

// Bytes of logs, as they are stored, that one call forgets.
constexpr int64_t kLogBytesPerCall = 16 << 20;

// As IsThere in file_event.h says it.
#define CLOSEWRITE_IS_THERE "(e.kind IN (1, 2, 6) OR (e.kind = 3 AND e.evidence <> 0))"
#define CLOSEWRITE_LATEST_OF(file) "(SELECT max(n.id) FROM events AS n WHERE n.file_id = " file ")"

// Old rows from a place on: id, time, file, and whether they may go. See StoreTransaction::Prune.
constexpr char kOldJobs[] =
    "SELECT j.id, j.finished_at, j.file_id,"
    " NOT EXISTS (SELECT 1 FROM jobs AS a INDEXED BY jobs_after WHERE a.after_id = j.id"
    "   AND a.after_id <> 0 AND a.finished = 0)"
    " AND NOT EXISTS (SELECT 1 FROM jobs AS c INDEXED BY jobs_lineage"
    "   WHERE c.caused_by_job = j.id AND c.caused_by_job <> 0 AND c.finished = 0)"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.id = j.event_id"
    "   AND e.id = " CLOSEWRITE_LATEST_OF("e.file_id") " AND " CLOSEWRITE_IS_THERE ")"
    " AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.id = " CLOSEWRITE_LATEST_OF("j.file_id")
    "   AND e.inode = j.input_inode AND e.size = j.input_size"
    "   AND e.mtime_ns = j.input_mtime_ns AND " CLOSEWRITE_IS_THERE ")"
    " FROM jobs AS j INDEXED BY jobs_finished WHERE j.finished = 1 AND j.finished_at < ?1"
    " AND (j.finished_at, j.id) > (?2, ?3) ORDER BY j.finished_at, j.id LIMIT ?4";
// Not the newest event of a file while an older one stays: that would then look like the newest.
constexpr char kOldEvents[] =
    "SELECT e.id, e.received_at, e.file_id,"
    " NOT EXISTS (SELECT 1 FROM jobs AS j INDEXED BY jobs_by_event WHERE j.event_id = e.id"
    "   AND j.event_id <> 0 AND j.finished = 0)"
    " AND (e.id < " CLOSEWRITE_LATEST_OF(
        "e.file_id") "   OR (NOT " CLOSEWRITE_IS_THERE
                     " AND NOT EXISTS (SELECT 1 FROM events AS o"
                     "     WHERE o.file_id = e.file_id AND o.id < e.id)))"
                     " FROM events AS e INDEXED BY events_by_receipt WHERE e.received_at < ?1"
                     " AND (e.received_at, e.id) > (?2, ?3) ORDER BY e.received_at, e.id LIMIT ?4";
constexpr char kDeleteJob[] = "DELETE FROM jobs WHERE id = ?";
constexpr char kDeleteAttempts[] = "DELETE FROM attempts WHERE job_id = ?";
constexpr char kDeleteEvent[] = "DELETE FROM events WHERE id = ?";
constexpr char kDeleteUnnamedFile[] =
    "DELETE FROM files WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE file_id = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM events WHERE file_id = ?1)";

}  // namespace

// Rows of one table that may go, at most `limit` and out of so many rows; none at the end of the
// table or when there is more to look at.
std::vector<SqliteTransaction::Prunable> SqliteTransaction::NextPrunable(
    const char* sql, absl::Time before, int64_t limit, SqlitePruneCursor* cursor) {
  std::vector<Prunable> rows;
  int64_t left = limit * kRowsPerForgotten;
  while (left > 0 && !cursor->done && status().ok()) {
    if (cursor->id == 0) cursor->before = before;
    SqliteQuery query(connection(), sql, sticky_status());
    query.BindTime(std::min(before, cursor->before))
        .BindTime(cursor->time)
        .BindInt(cursor->id)
        .BindInt(left);
    while (static_cast<int64_t>(rows.size()) < limit && query.Step()) {
      --left;
      const Prunable row{.id = query.Int(), .time = query.Time(), .file_id = query.Int()};
      cursor->id = row.id;
      cursor->time = row.time;
      if (query.Int() != 0) {
        rows.push_back(row);
      } else {
        ++cursor->kept;
      }
    }
    if (!rows.empty() || left <= 0) break;
    // What went may have kept something before it; where little is kept that is looked at at once.
    const bool again = cursor->forgot && cursor->kept <= limit;
    *cursor = SqlitePruneCursor{.done = !again};
  }
  if (!rows.empty()) cursor->forgot = true;
  return rows;
}

void SqliteTransaction::EraseUnnamedFiles(const std::vector<Prunable>& rows) {
  for (const Prunable& row : rows) {
    SqliteQuery query(connection(), kDeleteUnnamedFile, sticky_status());
    query.BindInt(row.file_id).Run();
  }
  files()->clear();
}

int64_t SqliteTransaction::PruneJobs(absl::Time before, int64_t limit) {
  SqlitePruneCursor done_to = cursors_.jobs;
  std::vector<Prunable> rows = NextPrunable(kOldJobs, before, limit, &cursors_.jobs);
  PruneBudget budget{.log_rows = limit, .log_bytes = kLogBytesPerCall};
  size_t gone = 0;
  for (; gone < rows.size() && EraseLogsOf(rows[gone].id, &budget); ++gone) {
    for (const char* sql : {kDeleteJob, kDeleteAttempts}) {
      SqliteQuery query(connection(), sql, sticky_status());
      query.BindInt(rows[gone].id).Run();
    }
    known_.erase(JobId{rows[gone].id});
  }
  if (gone == rows.size()) {
    EraseUnnamedFiles(rows);
    return static_cast<int64_t>(gone);
  }
  // The next one has a long log, of which a part is gone; it comes again.
  rows.resize(gone);
  EraseUnnamedFiles(rows);
  if (gone > 0) {
    done_to.time = rows.back().time;
    done_to.id = rows.back().id;
  }
  done_to.before = cursors_.jobs.before;
  done_to.forgot = true;
  cursors_.jobs = done_to;
  return static_cast<int64_t>(gone) + 1;
}

int64_t SqliteTransaction::PruneEvents(absl::Time before, int64_t limit) {
  const std::vector<Prunable> rows = NextPrunable(kOldEvents, before, limit, &cursors_.events);
  for (const Prunable& row : rows) {
    SqliteQuery query(connection(), kDeleteEvent, sticky_status());
    query.BindInt(row.id).Run();
  }
  EraseUnnamedFiles(rows);
  return static_cast<int64_t>(rows.size());
}

int64_t SqliteTransaction::Prune(absl::Time before, int64_t limit) {
  if (limit <= 0) return 0;
  const int64_t gone = PruneJobs(before, limit) + PruneEvents(before, limit);
  if (!status().ok()) return 0;
  if (gone > 0) return gone;
  if (!cursors_.jobs.done || !cursors_.events.done) return 1;
  cursors_ = SqlitePruneCursors{};
  return 0;
}

}  // namespace closewrite
