#include "services/watcher/ledger_lineage.h"

namespace closewrite::watcher {

absl::Status LedgerLineage::Load() {
  if (loaded_) return absl::OkStatus();
  absl::StatusOr<Query> query = database_->Prepare("SELECT inode FROM lineage");
  if (!query.ok()) return query.status();
  inodes_.clear();
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) {
    inodes_.insert(static_cast<uint64_t>(query->Int(0)));
  }
  loaded_ = row.ok();
  return row.status();
}

absl::Status LedgerLineage::Trim(int64_t coming, absl::Time now) {
  absl::StatusOr<Query> query = database_->Prepare(
      "DELETE FROM lineage WHERE key IN (SELECT key FROM lineage ORDER BY key LIMIT ?)"
      " AND (began_s < ? OR key <= (SELECT max(key) FROM lineage) + ? - ?)");
  if (!query.ok()) return query.status();
  absl::Status trimmed = query->Bind(2 * coming)
                             .Bind(absl::ToUnixSeconds(now - kLineageAgeMax))
                             .Bind(coming)
                             .Bind(kLineagesMax)
                             .Run();
  // Those that were taken may go from memory too.
  if (static_cast<int64_t>(inodes_.size()) > kLineagesMax) loaded_ = false;
  return trimmed;
}

absl::Status LedgerLineage::Add(int64_t volume, absl::Span<const PublishedFile> files, int64_t job,
                                absl::Time now) {
  if (absl::Status trimmed = Trim(static_cast<int64_t>(files.size()), now); !trimmed.ok()) {
    return trimmed;
  }
  if (absl::Status loaded = Load(); !loaded.ok()) return loaded;
  for (const PublishedFile& file : files) {
    absl::StatusOr<Query> query = database_->Prepare(
        "INSERT OR REPLACE INTO lineage (volume, path, inode, job, began_s)"
        " VALUES (?, ?, ?, ?, ?)");
    if (!query.ok()) return query.status();
    absl::Status added = query->Bind(volume)
                             .Bind(file.path)
                             .Bind(static_cast<int64_t>(file.inode))
                             .Bind(job)
                             .Bind(absl::ToUnixSeconds(now))
                             .Run();
    if (!added.ok()) return added;
    inodes_.insert(file.inode);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> LedgerLineage::Take(int64_t volume, std::string_view path, uint64_t inode) {
  if (absl::Status loaded = Load(); !loaded.ok()) return loaded;
  if (!inodes_.contains(inode)) return 0;
  absl::StatusOr<Query> query = database_->Prepare(
      "DELETE FROM lineage WHERE volume = ? AND path = ? AND inode = ? RETURNING job");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row =
      query->Bind(volume).Bind(path).Bind(static_cast<int64_t>(inode)).Step();
  if (!row.ok()) return row.status();
  return *row ? query->Int(0) : 0;
}

}  // namespace closewrite::watcher
