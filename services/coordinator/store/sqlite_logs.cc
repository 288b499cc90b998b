// Logs: the part of the SQLite store's transaction about them.
#include <string>
#include <utility>
#include <vector>

#include "services/coordinator/store/sqlite_rows.h"
#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {
namespace {

#define CLOSEWRITE_FAR "9223372036854775807"

constexpr char kInsertChunk[] =
    "INSERT INTO log_chunks(job_id, token, offset, format, bytes, data) VALUES (?,?,?,?,?,?)";
constexpr char kEraseChunks[] =
    "DELETE FROM log_chunks WHERE rowid IN (SELECT rowid FROM log_chunks WHERE job_id = ?1"
    " AND token = ?2 AND offset >= ?3 AND offset < ?4 AND offset + " CLOSEWRITE_CHUNK_BYTES
    " <= ?4 ORDER BY offset LIMIT ?5)";
constexpr char kMeasure[] =
    "SELECT count(*), coalesce(sum(length(data)), 0),"
    " coalesce(sum(iif(format = 3, 0, " CLOSEWRITE_CHUNK_BYTES
    ")), 0) FROM log_chunks WHERE job_id = ? AND token = ?";
constexpr char kNewLog[] =
    "INSERT INTO logs(job_id, token, closed_at, sealed, row_count, stored_bytes, left_out_bytes)"
    " VALUES (?,?," CLOSEWRITE_FAR ",0,0,0,0) ON CONFLICT (job_id, token) DO NOTHING";
constexpr char kOpenLog[] =
    "INSERT INTO logs(job_id, token, closed_at, sealed, row_count, stored_bytes, left_out_bytes)"
    " VALUES (?,?," CLOSEWRITE_FAR
    ",0,0,0,0) ON CONFLICT (job_id, token)"
    " DO UPDATE SET closed_at = " CLOSEWRITE_FAR;
// What ReadOpened reads.
#define CLOSEWRITE_OPENED                                                                       \
  "SELECT l.job_id, l.token, l.closed_at, l.sealed, l.row_count, l.stored_bytes,"               \
  " l.left_out_bytes, coalesce((SELECT offset + " CLOSEWRITE_CHUNK_BYTES                        \
  " FROM log_chunks WHERE job_id = l.job_id AND token = l.token ORDER BY offset DESC LIMIT 1)," \
  " 0), (SELECT count(*) FROM log_chunks AS c WHERE c.job_id = l.job_id AND c.token = l.token"  \
  " AND c.offset >= l.sealed), NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.id = l.job_id"       \
  " AND j.finished = 0 AND j.token = l.token) FROM logs AS l "
constexpr char kOpenLogs[] =
    CLOSEWRITE_OPENED "INDEXED BY logs_open WHERE l.closed_at = " CLOSEWRITE_FAR
                      " AND (l.job_id, l.token) > (?1, ?2) ORDER BY l.job_id, l.token LIMIT ?3";
constexpr char kClosedLogs[] =
    CLOSEWRITE_OPENED "INDEXED BY logs_closed WHERE l.closed_at < " CLOSEWRITE_FAR
                      " AND l.closed_at < ?1 ORDER BY l.closed_at, l.job_id, l.token LIMIT ?2";
constexpr char kSaveLog[] =
    "UPDATE logs SET closed_at = ?3, sealed = ?4, row_count = ?5, stored_bytes = ?6,"
    " left_out_bytes = ?7 WHERE job_id = ?1 AND token = ?2";
constexpr char kDropLog[] = "DELETE FROM logs WHERE job_id = ? AND token = ?";
constexpr char kAddToTotals[] =
    "UPDATE log_totals SET row_count = row_count + ?, stored_bytes = stored_bytes + ?,"
    " left_out_bytes = left_out_bytes + ?";
constexpr char kLastChunksOf[] =
    "SELECT rowid, length(data) FROM log_chunks WHERE job_id = ?"
    " ORDER BY token DESC, offset DESC";
constexpr char kEraseChunk[] = "DELETE FROM log_chunks WHERE rowid = ?";
constexpr char kTotalsOf[] =
    "SELECT coalesce(sum(row_count), 0), coalesce(sum(stored_bytes), 0) FROM logs WHERE job_id = ?";
constexpr char kDropLogsOf[] = "DELETE FROM logs WHERE job_id = ?";

std::vector<OpenedLog> ReadOpened(SqliteQuery* query) {
  std::vector<OpenedLog> logs;
  while (query->Step()) {
    OpenedLog opened;
    opened.log.lease.job.value = query->Int();
    opened.log.lease.token.value = query->Int();
    opened.log.closed_at = query->Time();
    opened.log.sealed = query->Int();
    opened.log.rows = query->Int();
    opened.log.stored_bytes = query->Int();
    opened.log.left_out_bytes = query->Int();
    opened.length = query->Int();
    opened.open_rows = query->Int();
    opened.over = query->Int() != 0;
    logs.push_back(opened);
  }
  return logs;
}

}  // namespace

void SqliteTransaction::InsertLogRow(const Lease& lease, const LogRow& row) {
  SqliteQuery query(connection(), kInsertChunk, sticky_status());
  query.BindInt(lease.job.value).BindInt(lease.token.value).BindInt(row.offset);
  query.BindInt(static_cast<int64_t>(row.format)).BindInt(row.bytes).BindBytes(row.data).Run();
}

int64_t SqliteTransaction::AppendLog(const Lease& lease, int64_t offset, std::string_view data) {
  const int64_t length = LogLength(lease);
  const std::vector<LogRow> rows = RowsToAppend(length, offset, data);
  for (const LogRow& row : rows) InsertLogRow(lease, row);
  if (length == 0 && !rows.empty()) {
    SqliteQuery query(connection(), kNewLog, sticky_status());
    query.BindInt(lease.job.value).BindInt(lease.token.value).Run();
  }
  if (!status().ok()) return 0;
  return rows.empty() ? length : rows.back().end();
}

int64_t SqliteTransaction::EraseLogRows(const Lease& lease, int64_t from, int64_t to,
                                        int64_t rows_max) {
  SqliteQuery query(connection(), kEraseChunks, sticky_status());
  query.BindInt(lease.job.value).BindInt(lease.token.value).BindInt(from).BindInt(to);
  return query.BindInt(rows_max).Run() ? connection()->Changes() : 0;
}

void SqliteTransaction::ReplaceLogRows(const Lease& lease, const LogRow& row) {
  constexpr int64_t kAll = -1;
  EraseLogRows(lease, row.offset, row.end(), kAll);
  InsertLogRow(lease, row);
}

KeptLog SqliteTransaction::MeasureLog(const Lease& lease) {
  KeptLog log{.lease = lease};
  const int64_t length = LogLength(lease);
  SqliteQuery query(connection(), kMeasure, sticky_status());
  if (!query.BindInt(lease.job.value).BindInt(lease.token.value).Step()) return log;
  log.rows = query.Int();
  log.stored_bytes = query.Int();
  log.left_out_bytes = length - query.Int();
  return log;
}

void SqliteTransaction::OpenLog(const Lease& lease) {
  SqliteQuery query(connection(), kOpenLog, sticky_status());
  query.BindInt(lease.job.value).BindInt(lease.token.value).Run();
}

std::vector<OpenedLog> SqliteTransaction::OpenLogs(const Lease& after, int64_t limit) {
  SqliteQuery query(connection(), kOpenLogs, sticky_status());
  query.BindInt(after.job.value).BindInt(after.token.value).BindInt(limit);
  return ReadOpened(&query);
}

std::vector<OpenedLog> SqliteTransaction::ClosedLogs(absl::Time before, int64_t limit) {
  SqliteQuery query(connection(), kClosedLogs, sticky_status());
  query.BindTime(before).BindInt(limit);
  return ReadOpened(&query);
}

void SqliteTransaction::SaveLog(const KeptLog& log, const KeptLog& as) {
  {
    SqliteQuery query(connection(), kSaveLog, sticky_status());
    query.BindInt(log.lease.job.value).BindInt(log.lease.token.value).BindTime(as.closed_at);
    query.BindInt(as.sealed).BindInt(as.rows).BindInt(as.stored_bytes).BindInt(as.left_out_bytes);
    query.Run();
  }
  AddToLogTotals(as.rows - log.rows, as.stored_bytes - log.stored_bytes,
                 as.left_out_bytes - log.left_out_bytes);
}

void SqliteTransaction::DropLog(const KeptLog& log) {
  {
    SqliteQuery query(connection(), kDropLog, sticky_status());
    query.BindInt(log.lease.job.value).BindInt(log.lease.token.value).Run();
  }
  AddToLogTotals(-log.rows, -log.stored_bytes, 0);
}

void SqliteTransaction::AddToLogTotals(int64_t rows, int64_t stored_bytes, int64_t left_out_bytes) {
  if (rows == 0 && stored_bytes == 0 && left_out_bytes == 0) return;
  SqliteQuery query(connection(), kAddToTotals, sticky_status());
  query.BindInt(rows).BindInt(stored_bytes).BindInt(left_out_bytes).Run();
}

bool SqliteTransaction::EraseLogsOf(int64_t job_id, PruneBudget* budget) {
  std::vector<int64_t> row_ids;
  bool all = false;
  {
    SqliteQuery query(connection(), kLastChunksOf, sticky_status());
    query.BindInt(job_id);
    while (budget->log_rows > 0 && budget->log_bytes > 0 && !all) {
      all = !query.Step();
      if (all) break;
      row_ids.push_back(query.Int());
      budget->log_bytes -= query.Int();
      --budget->log_rows;
    }
  }
  for (const int64_t row_id : row_ids) {
    SqliteQuery query(connection(), kEraseChunk, sticky_status());
    query.BindInt(row_id).Run();
  }
  if (!all) return false;
  int64_t rows = 0;
  int64_t stored_bytes = 0;
  {
    SqliteQuery query(connection(), kTotalsOf, sticky_status());
    if (query.BindInt(job_id).Step()) {
      rows = query.Int();
      stored_bytes = query.Int();
    }
  }
  AddToLogTotals(-rows, -stored_bytes, 0);
  SqliteQuery query(connection(), kDropLogsOf, sticky_status());
  query.BindInt(job_id).Run();
  return true;
}

}  // namespace closewrite
