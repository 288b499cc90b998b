#include "services/watcher/ledger_batch.h"

#include <iterator>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {

absl::StatusOr<std::optional<FileRecord>> LedgerBatch::Find(std::string_view path) const {
  if (const FileRecord* record = FindUncommitted(path); record != nullptr) {
    return std::optional<FileRecord>(*record);
  }
  absl::StatusOr<std::optional<FileRecord>> found = ledger_->Find(volume_, path);
  found_path_ = path;
  found_sequence_ = kUnknownSequence;
  if (found.ok()) found_sequence_ = found->has_value() ? (*found)->sequence : 0;
  return found;
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
    std::string_view below, const std::optional<std::string>& after) {
  if (read_ahead_.empty() || !after.has_value() || read_after_ != after || read_below_ != below) {
    absl::StatusOr<std::vector<std::string>> next =
        ledger_->NextDirectories(volume_, below, after, kDirectoriesReadAhead);
    if (!next.ok()) return next.status();
    read_below_ = below;
    read_ahead_.assign(std::make_move_iterator(next->begin()),
                       std::make_move_iterator(next->end()));
    if (read_ahead_.empty()) return std::optional<std::string>();
  }
  read_after_ = std::move(read_ahead_.front());
  read_ahead_.pop_front();
  return read_after_;
}

void LedgerBatch::Put(FileRecord record) {
  const auto [entry, added] = by_path_.emplace(record.path, records_.size());
  if (added) {
    before_.push_back(record.path == found_path_ ? found_sequence_ : kUnknownSequence);
    records_.push_back(std::move(record));
  } else {
    records_[entry->second] = std::move(record);
  }
}

absl::Status LedgerBatch::Commit() {
  const absl::Status status = ledger_->Record(volume_, records_, before_);
  if (!status.ok()) return status;
  records_.clear();
  before_.clear();
  found_sequence_ = kUnknownSequence;
  by_path_.clear();
  return status;
}

}  // namespace closewrite::watcher
