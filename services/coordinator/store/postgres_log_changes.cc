#include "services/coordinator/store/postgres_log_changes.h"

#include <string>
#include <string_view>
#include <utility>

#include "services/coordinator/store/postgres_rows.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr PostgresColumn kColumns[] = {{"job_id", "bigint"},        {"token", "bigint"},
                                       {"closed_at", "bigint"},     {"sealed", "bigint"},
                                       {"row_count", "bigint"},     {"stored_bytes", "bigint"},
                                       {"left_out_bytes", "bigint"}};
constexpr char kDrop[] =
    "DELETE FROM closewrite.logs AS t USING unnest($1::bigint[], $2::bigint[]) AS u(job_id, token)"
    " WHERE t.job_id = u.job_id AND t.token = u.token";
constexpr char kAddToTotals[] =
    "UPDATE closewrite.log_totals SET row_count = row_count + $1::bigint,"
    " stored_bytes = stored_bytes + $2::bigint, left_out_bytes = left_out_bytes + $3::bigint";

void Write(const KeptLog& log, PostgresRows* rows) {
  rows->Row().Int(log.lease.job.value).Int(log.lease.token.value).Time(log.closed_at);
  rows->Int(log.sealed).Int(log.rows).Int(log.stored_bytes).Int(log.left_out_bytes);
}

void AddNew(std::string_view sql, std::set<Lease> leases, std::vector<PostgresQuery>* batch) {
  if (leases.empty()) return;
  PostgresRows rows;
  for (const Lease& lease : leases) {
    KeptLog log;
    log.lease = lease;
    Write(log, &rows);
  }
  batch->push_back({.sql = sql, .params = PostgresParams().Rows(std::move(rows))});
}

}  // namespace

void PostgresLogChanges::Save(const KeptLog& log, const KeptLog& as) {
  saved_[log.lease] = as;
  change_.rows += as.rows - log.rows;
  change_.stored_bytes += as.stored_bytes - log.stored_bytes;
  change_.left_out_bytes += as.left_out_bytes - log.left_out_bytes;
}

void PostgresLogChanges::Drop(const KeptLog& log) {
  saved_.erase(log.lease);
  dropped_.insert(log.lease);
  change_.rows -= log.rows;
  change_.stored_bytes -= log.stored_bytes;
}

void PostgresLogChanges::AddWrites(std::vector<PostgresQuery>* batch) {
  static const std::string* const insert =
      new std::string(PostgresInsert("closewrite.logs", kColumns));
  static const std::string* const begin =
      new std::string(StrCat(*insert, " ON CONFLICT (job_id, token) DO NOTHING"));
  static const std::string* const open = new std::string(
      StrCat(*insert, " ON CONFLICT (job_id, token) DO UPDATE SET closed_at = excluded.closed_at"));
  static const std::string* const update =
      new std::string(PostgresUpdate("closewrite.logs", kColumns, 2));
  AddNew(*begin, std::exchange(begun_, {}), batch);
  PostgresRows rows;
  for (const auto& [lease, log] : saved_) Write(log, &rows);
  saved_.clear();
  if (!rows.empty()) {
    batch->push_back({.sql = *update, .params = PostgresParams().Rows(std::move(rows))});
  }
  AddNew(*open, std::exchange(opened_, {}), batch);
  if (!dropped_.empty()) {
    PostgresRows leases;
    for (const Lease& lease : dropped_) leases.Row().Int(lease.job.value).Int(lease.token.value);
    dropped_.clear();
    batch->push_back({.sql = kDrop, .params = PostgresParams().Rows(std::move(leases))});
  }
  const LogTotals change = std::exchange(change_, LogTotals());
  if (change == LogTotals()) return;
  batch->push_back(
      {.sql = kAddToTotals,
       .params =
           PostgresParams().Int(change.rows).Int(change.stored_bytes).Int(change.left_out_bytes)});
}

}  // namespace closewrite
