#include "services/coordinator/core/log_keeper.h"

#include <utility>
#include <vector>

namespace closewrite {
namespace {

constexpr char kTendDuty[] = "logs";

// The rows at the front that one row can take the place of.
std::vector<LogRow> FirstGroup(std::vector<LogRow> rows) {
  const auto follows = [](const LogRow& row, const LogRow& next) {
    return row.format == LogFormat::kRecords && next.format == LogFormat::kRecords &&
           row.end() == next.offset;
  };
  size_t count = 1;
  while (count < rows.size() && follows(rows[count - 1], rows[count]) &&
         rows[count].end() - rows.front().offset <= kLogRowBytesMax) {
    ++count;
  }
  rows.resize(count);
  return rows;
}

// Packs what lies behind log->sealed: row by row as they are full, the last one too when `last` is
// true or it would be of many. Returns false when `bytes_left` are used up.
bool Pack(StoreTransaction& tx, KeptLog* log, bool last, int64_t* bytes_left) {
  *bytes_left -= kPackedLogCost;
  while (*bytes_left > 0) {
    std::vector<LogRow> rows = tx.ReadLog(log->lease, log->sealed, kLogRowBytesMax);
    if (rows.empty()) return true;
    const size_t found = rows.size();
    rows = FirstGroup(std::move(rows));
    const bool full =
        rows.size() < found || rows.back().end() - rows.front().offset == kLogRowBytesMax;
    const bool many = static_cast<int64_t>(rows.size()) >= kOpenRowsMax;
    if (!full && !many && !last) return true;
    log->sealed = rows.back().end();
    *bytes_left -= log->sealed - rows.front().offset;
    if (rows.front().format != LogFormat::kRecords) continue;
    const LogRow packed = PackLogRows(rows);
    if (packed != rows.front()) tx.ReplaceLogRows(log->lease, packed);
  }
  return false;
}

}  // namespace

int64_t LogKeeper::Append(StoreTransaction& tx, const Lease& lease, int64_t offset,
                          std::string_view data) {
  const int64_t length = tx.AppendLog(lease, offset, data);
  const int64_t before = length - static_cast<int64_t>(data.size());
  if (before / kCutLogEvery != length / kCutLogEvery) Cut(tx, lease, length);
  return length;
}

int64_t LogKeeper::Cut(StoreTransaction& tx, const Lease& lease, int64_t length) {
  if (length <= limits_.attempt_bytes_max) return 0;
  const int64_t head = limits_.attempt_bytes_max / 8;
  const int64_t tail = limits_.attempt_bytes_max - head;
  return tx.EraseLogRows(lease, head, length - tail, kForgottenRowsMax);
}

absl::Time LogKeeper::Tick(StoreTransaction& tx, absl::Time now) {
  if (now < tend_at_) return tend_at_;
  tend_at_ = now + kTendLogsEvery;
  if (work_ == Work::kNothing) {
    if (shared_ && !tx.TakeTurn(kTendDuty, now, kTendLogsEvery)) return tend_at_;
    after_ = Lease{};
    work_ = Work::kOpenLogs;
  }
  if (work_ == Work::kOpenLogs && !TendOpenLogs(tx, now)) work_ = Work::kClosedLogs;
  if (work_ == Work::kClosedLogs && !ForgetClosedLogs(tx, now)) work_ = Work::kNothing;
  if (work_ != Work::kNothing) tend_at_ = now + kTendLogsPause;
  return tend_at_;
}

bool LogKeeper::TendOpenLogs(StoreTransaction& tx, absl::Time now) {
  const std::vector<OpenedLog> logs = tx.OpenLogs(after_, kTendedLogsMax);
  int64_t bytes_left = kPackedBytesMax;
  for (const OpenedLog& log : logs) {
    if (bytes_left <= 0 || !Tend(tx, log, now, &bytes_left)) return true;
    after_ = log.log.lease;
  }
  return static_cast<int64_t>(logs.size()) >= kTendedLogsMax;
}

bool LogKeeper::Tend(StoreTransaction& tx, const OpenedLog& opened, absl::Time now,
                     int64_t* bytes_left) {
  const int64_t open_bytes = opened.length - opened.log.sealed;
  const bool due = opened.over ? opened.open_rows >= kPackedRowsMin || open_bytes >= kPackedBytesMin
                               : opened.open_rows >= kOpenRowsMax || open_bytes >= kLogRowBytesMax;
  if (!due && !opened.over) return true;
  KeptLog log = opened.log;
  const bool cut_all = Cut(tx, log.lease, opened.length) < kForgottenRowsMax;
  const bool done = (!due || Pack(tx, &log, opened.over, bytes_left)) && cut_all;
  if (due || log.sealed > 0) {
    const KeptLog measured = tx.MeasureLog(log.lease);
    log.rows = measured.rows;
    log.stored_bytes = measured.stored_bytes;
    log.left_out_bytes = measured.left_out_bytes;
  } else {
    log.rows = opened.open_rows;
    log.stored_bytes = opened.length;
  }
  if (done && opened.over) log.closed_at = now;
  tx.SaveLog(opened.log, log);
  return done;
}

bool LogKeeper::ForgetClosedLogs(StoreTransaction& tx, absl::Time now) {
  const int64_t excess = tx.GetLogTotals().stored_bytes - limits_.total_bytes_max;
  const absl::Time old = limits_.retention == absl::InfiniteDuration() ? absl::InfinitePast()
                                                                       : now - limits_.retention;
  const std::vector<OpenedLog> logs =
      tx.ClosedLogs(excess > 0 ? absl::InfiniteFuture() : old, kTendedLogsMax);
  int64_t freed = 0;
  int64_t rows_left = kForgottenRowsMax;
  for (const OpenedLog& log : logs) {
    if (log.log.closed_at >= old && freed >= excess) return false;
    if (rows_left <= 0 || !Forget(tx, log, &rows_left)) return true;
    freed += log.log.stored_bytes;
  }
  return !logs.empty();
}

bool LogKeeper::Forget(StoreTransaction& tx, const OpenedLog& opened, int64_t* rows_left) {
  const Lease& lease = opened.log.lease;
  // Its job runs again, or is to.
  if (!opened.over) {
    tx.OpenLog(lease);
    return true;
  }
  // All but the last row, which knows where the log ends.
  const int64_t erased = tx.EraseLogRows(lease, 0, opened.length - 1, *rows_left);
  if (erased >= *rows_left) return false;
  *rows_left -= erased + 1;
  if (opened.length > 0) {
    tx.ReplaceLogRows(lease, {.bytes = opened.length, .format = LogFormat::kLeftOut});
  }
  KeptLog log = opened.log;
  log.left_out_bytes = opened.length;
  tx.SaveLog(opened.log, log);
  tx.DropLog(log);
  return true;
}

}  // namespace closewrite
