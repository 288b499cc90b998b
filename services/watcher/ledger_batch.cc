#include "services/watcher/ledger_batch.h"

#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {

absl::StatusOr<std::optional<FileRecord>> LedgerBatch::Find(std::string_view path) const {
  if (const FileRecord* record = FindUncommitted(path); record != nullptr) {
    return std::optional<FileRecord>(*record);
  }
  return ledger_->Find(volume_, path);
}

const FileRecord* LedgerBatch::FindUncommitted(std::string_view path) const {
  if (records_.empty()) return nullptr;
  const auto entry = by_path_.find(ToAbsl(path));
  return entry == by_path_.end() ? nullptr : &records_[entry->second];
}

absl::StatusOr<std::vector<FileRecord>> LedgerBatch::List(std::string_view directory) const {
  return ledger_->List(volume_, directory);
}

absl::StatusOr<std::optional<std::string>> LedgerBatch::NextDirectory(
    std::string_view below, const std::optional<std::string>& after) const {
  return ledger_->NextDirectory(volume_, below, after);
}

void LedgerBatch::Put(FileRecord record) {
  const auto [entry, added] = by_path_.emplace(record.path, records_.size());
  if (added) {
    records_.push_back(std::move(record));
  } else {
    records_[entry->second] = std::move(record);
  }
}

absl::Status LedgerBatch::Commit() {
  const absl::Status status = ledger_->Record(volume_, records_);
  if (!status.ok()) return status;
  records_.clear();
  by_path_.clear();
  return status;
}

}  // namespace closewrite::watcher
