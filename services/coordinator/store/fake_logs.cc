#include "services/coordinator/store/fake_logs.h"

#include <algorithm>
#include <limits>
#include <set>

namespace closewrite {
namespace {

template <class Map>
void CopyEntry(const Map& from, const typename Map::key_type& key, Map* to) {
  const auto found = from.find(key);
  if (found == from.end()) {
    to->erase(key);
  } else {
    to->insert_or_assign(key, found->second);
  }
}

}  // namespace

const FakeLogs::Rows& FakeLogs::RowsOf(const Lease& lease) const {
  static const Rows* const kNone = new Rows;
  const auto found = rows_.find(lease);
  return found == rows_.end() ? *kNone : found->second;
}

int64_t FakeLogs::Length(const Lease& lease) const {
  const Rows& rows = RowsOf(lease);
  return rows.empty() ? 0 : rows.rbegin()->second.end();
}

std::vector<LogRow> FakeLogs::Read(const Lease& lease, int64_t offset, int64_t bytes_max) const {
  std::vector<LogRow> rows;
  if (offset < 0 || bytes_max <= 0) return rows;
  for (const auto& [begin, row] : RowsOf(lease)) {
    if (row.end() <= offset) continue;
    if (!rows.empty() && begin - offset >= bytes_max) break;
    rows.push_back(row);
  }
  return rows;
}

std::vector<LogRow> FakeLogs::ReadBefore(const Lease& lease, int64_t offset,
                                         int64_t bytes_max) const {
  std::vector<LogRow> rows;
  if (offset <= 0 || bytes_max <= 0) return rows;
  const Rows& all = RowsOf(lease);
  for (auto it = all.lower_bound(offset); it != all.begin();) {
    --it;
    if (!rows.empty() && offset - it->first > bytes_max) break;
    rows.push_back(it->second);
  }
  std::reverse(rows.begin(), rows.end());
  return rows;
}

KeptLog FakeLogs::Measure(const Lease& lease) const {
  KeptLog log{.lease = lease, .left_out_bytes = Length(lease)};
  for (const auto& [begin, row] : RowsOf(lease)) {
    ++log.rows;
    log.stored_bytes += static_cast<int64_t>(row.data.size());
    if (row.format != LogFormat::kLeftOut) log.left_out_bytes -= row.bytes;
  }
  return log;
}

std::vector<OpenedLog> FakeLogs::Kept() const {
  std::vector<OpenedLog> logs;
  for (const auto& [lease, log] : kept_) {
    const Rows& rows = RowsOf(lease);
    const auto open_rows = std::distance(rows.lower_bound(log.sealed), rows.end());
    logs.push_back({.log = log, .length = Length(lease), .open_rows = open_rows});
  }
  return logs;
}

bool FakeLogs::Append(const Lease& lease, int64_t offset, std::string_view data) {
  const int64_t length = Length(lease);
  std::vector<LogRow> rows = RowsToAppend(length, offset, data);
  if (rows.empty()) return false;
  if (length == 0) kept_.try_emplace(lease, KeptLog{.lease = lease});
  for (LogRow& row : rows) rows_[lease].emplace(row.offset, row);
  return true;
}

int64_t FakeLogs::Erase(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) {
  const auto found = rows_.find(lease);
  if (found == rows_.end()) return 0;
  Rows& rows = found->second;
  int64_t erased = 0;
  for (auto it = rows.lower_bound(from);
       it != rows.end() && it->second.end() <= to && erased < rows_max; ++erased) {
    it = rows.erase(it);
  }
  return erased;
}

void FakeLogs::Replace(const Lease& lease, const LogRow& row) {
  Erase(lease, row.offset, row.end(), std::numeric_limits<int64_t>::max());
  rows_[lease].insert_or_assign(row.offset, row);
}

void FakeLogs::Open(const Lease& lease) {
  kept_.try_emplace(lease, KeptLog{.lease = lease}).first->second.closed_at =
      absl::InfiniteFuture();
}

void FakeLogs::Save(const KeptLog& log, const KeptLog& as) {
  kept_[log.lease] = as;
  totals_.rows += as.rows - log.rows;
  totals_.stored_bytes += as.stored_bytes - log.stored_bytes;
  totals_.left_out_bytes += as.left_out_bytes - log.left_out_bytes;
}

void FakeLogs::Drop(const KeptLog& log) {
  if (kept_.erase(log.lease) == 0) return;
  totals_.rows -= log.rows;
  totals_.stored_bytes -= log.stored_bytes;
}

int64_t FakeLogs::Forget(const Lease& lease) {
  const auto rows = static_cast<int64_t>(RowsOf(lease).size());
  rows_.erase(lease);
  if (const auto kept = kept_.find(lease); kept != kept_.end()) Drop(KeptLog(kept->second));
  return rows;
}

std::vector<Lease> FakeLogs::LeasesOf(JobId job) const {
  const Lease lowest{job, FencingToken{std::numeric_limits<int64_t>::min()}};
  std::set<Lease> leases;
  const auto add = [&](const auto& map) {
    for (auto it = map.lower_bound(lowest); it != map.end() && it->first.job == job; ++it) {
      leases.insert(it->first);
    }
  };
  add(rows_);
  add(kept_);
  return {leases.begin(), leases.end()};
}

void FakeLogs::Copy(const FakeLogs& from, const Lease& lease) {
  CopyEntry(from.rows_, lease, &rows_);
  CopyEntry(from.kept_, lease, &kept_);
  totals_ = from.totals_;
}

}  // namespace closewrite
