// Logs: the part of a transaction about them.
#include <limits>
#include <utility>
#include <vector>

#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_transaction.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

#define CLOSEWRITE_END CLOSEWRITE_CHUNK_END("c")

constexpr char kEraseChunks[] =
    "DELETE FROM closewrite.log_chunks AS t USING (SELECT c.start FROM closewrite.log_chunks c"
    " WHERE c.job_id = $1::bigint AND c.token = $2::bigint AND c.start >= $3::bigint"
    " AND c.start < $4::bigint AND " CLOSEWRITE_END
    " <= $4::bigint ORDER BY c.start LIMIT $5::bigint) AS r"
    " WHERE t.job_id = $1::bigint AND t.token = $2::bigint AND t.start = r.start";
// Rows, their bytes, and how much of the log they don't hold.
constexpr char kMeasure[] =
    "SELECT count(*), coalesce(sum(octet_length(c.data)), 0)::bigint,"
    " coalesce(max(" CLOSEWRITE_END
    "), 0)::bigint - coalesce(sum(CASE WHEN c.format = 3 THEN 0 ELSE " CLOSEWRITE_END
    " - c.start END), 0)::bigint FROM closewrite.log_chunks c"
    " WHERE c.job_id = $1::bigint AND c.token = $2::bigint";

// What ReadOpened reads, `where` it holds.
std::string OpenedSql(std::string_view where) {
  return StrCat(
      "SELECT l.job_id, l.token, l.closed_at, l.sealed, l.row_count, l.stored_bytes,"
      " l.left_out_bytes, coalesce((SELECT ",
      CLOSEWRITE_END,
      " FROM closewrite.log_chunks c WHERE c.job_id = l.job_id AND c.token = l.token"
      " ORDER BY c.start DESC LIMIT 1), 0)::bigint,"
      " (SELECT count(*) FROM closewrite.log_chunks c WHERE c.job_id = l.job_id"
      " AND c.token = l.token AND c.start >= l.sealed),"
      " (NOT EXISTS (SELECT FROM closewrite.jobs j WHERE j.id = l.job_id AND j.token = l.token))"
      "::int FROM closewrite.logs l WHERE ",
      where, " FOR UPDATE OF l SKIP LOCKED");
}

const std::string& OpenLogsSql() {
  static const std::string* const sql = new std::string(OpenedSql(
      "l.closed_at = 9223372036854775807 AND (l.job_id, l.token) > ($1::bigint, $2::bigint)"
      " ORDER BY l.job_id, l.token LIMIT $3::bigint"));
  return *sql;
}

const std::string& ClosedLogsSql() {
  static const std::string* const sql =
      new std::string(OpenedSql("l.closed_at < 9223372036854775807 AND l.closed_at < $1::bigint"
                                " ORDER BY l.closed_at, l.job_id, l.token LIMIT $2::bigint"));
  return *sql;
}

std::vector<OpenedLog> ReadOpened(const PostgresResult& result) {
  std::vector<OpenedLog> logs;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    OpenedLog& opened = logs.emplace_back();
    opened.log.lease.job.value = row.Int();
    opened.log.lease.token.value = row.Int();
    opened.log.closed_at = row.Time();
    opened.log.sealed = row.Int();
    opened.log.rows = row.Int();
    opened.log.stored_bytes = row.Int();
    opened.log.left_out_bytes = row.Int();
    opened.length = row.Int();
    opened.open_rows = row.Int();
    opened.over = row.Int() != 0;
  }
  return logs;
}

PostgresQuery EraseChunks(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) {
  return {.sql = kEraseChunks,
          .params = PostgresParams()
                        .Int(lease.job.value)
                        .Int(lease.token.value)
                        .Int(from)
                        .Int(to)
                        .Int(rows_max)};
}

}  // namespace

int64_t PostgresTransaction::LogLength(const Lease& lease) {
  if (!set_.LogLength(lease).has_value()) {
    PostgresWanted wanted;
    wanted.logs.insert(lease);
    FetchNow(wanted);
  }
  return ok() ? set_.LogLength(lease).value_or(0) : 0;
}

int64_t PostgresTransaction::AppendLog(const Lease& lease, int64_t offset, std::string_view data) {
  const int64_t recorded = LogLength(lease);
  if (!ok()) return 0;
  std::vector<LogRow> rows = RowsToAppend(recorded, offset, data);
  if (rows.empty()) return recorded;
  const int64_t length = rows.back().end();
  if (recorded == 0) set_.logs.Begin(lease);
  for (LogRow& row : rows) set_.AppendLog(lease, std::move(row));
  FlushIfLarge();
  return ok() ? length : 0;
}

int64_t PostgresTransaction::EraseLogRows(const Lease& lease, int64_t from, int64_t to,
                                          int64_t rows_max) {
  if (rows_max <= 0) return 0;
  const PostgresResult result = WriteNow({EraseChunks(lease, from, to, rows_max)});
  return ok() ? result.touched() : 0;
}

void PostgresTransaction::ReplaceLogRows(const Lease& lease, const LogRow& row) {
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  PostgresRows rows;
  WriteLogRow(lease, row, &rows);
  WriteNow({EraseChunks(lease, row.offset, row.end(), kAll),
            {.sql = InsertLogRowsSql(), .params = PostgresParams().Rows(std::move(rows))}});
}

KeptLog PostgresTransaction::MeasureLog(const Lease& lease) {
  KeptLog log;
  log.lease = lease;
  const PostgresResult result = Ask(
      {.sql = kMeasure, .params = PostgresParams().Int(lease.job.value).Int(lease.token.value)});
  if (result.rows() == 0) return log;
  PostgresRow row(result, 0);
  log.rows = row.Int();
  log.stored_bytes = row.Int();
  log.left_out_bytes = row.Int();
  return log;
}

void PostgresTransaction::OpenLog(const Lease& lease) {
  if (ok()) set_.logs.Open(lease);
}

std::vector<OpenedLog> PostgresTransaction::OpenLogs(const Lease& after, int64_t limit) {
  return ReadOpened(
      Ask({.sql = OpenLogsSql(),
           .params = PostgresParams().Int(after.job.value).Int(after.token.value).Int(limit)}));
}

std::vector<OpenedLog> PostgresTransaction::ClosedLogs(absl::Time before, int64_t limit) {
  return ReadOpened(
      Ask({.sql = ClosedLogsSql(), .params = PostgresParams().Time(before).Int(limit)}));
}

void PostgresTransaction::SaveLog(const KeptLog& log, const KeptLog& as) {
  if (ok()) set_.logs.Save(log, as);
}

void PostgresTransaction::DropLog(const KeptLog& log) {
  if (ok()) set_.logs.Drop(log);
}

}  // namespace closewrite
