#include "services/watcher/ledger_directories.h"

#include <algorithm>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

std::string Stored(std::string_view path) {
  std::string stored(path);
  std::replace(stored.begin(), stored.end(), '/', '\0');
  return stored;
}

std::string Restored(std::string_view stored) {
  std::string path(stored);
  std::replace(path.begin(), path.end(), '\0', '/');
  return path;
}

bool IsOrLiesBelow(std::string_view path, std::string_view below) {
  if (below.empty() || path == below) return true;
  return path.size() > below.size() && path[below.size()] == '/' && path.starts_with(below);
}

}  // namespace

absl::StatusOr<std::optional<int64_t>> LedgerDirectories::Find(int64_t volume,
                                                               std::string_view path) {
  const auto known = keys_[volume].find(ToAbsl(path));
  if (known != keys_[volume].end()) return std::optional<int64_t>(known->second);
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT key FROM directories WHERE volume = ? AND path = ?");
  if (!query.ok()) return query.status();
  const std::string stored = Stored(path);
  const absl::StatusOr<bool> row = query->Bind(volume).Bind(stored).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<int64_t>();
  Remember(volume, path, query->Int(0));
  return std::optional<int64_t>(query->Int(0));
}

absl::StatusOr<int64_t> LedgerDirectories::FindOrAdd(int64_t volume, std::string_view path) {
  const absl::StatusOr<std::optional<int64_t>> found = Find(volume, path);
  if (!found.ok()) return found.status();
  if (found->has_value()) return **found;
  absl::StatusOr<Query> query =
      database_->Prepare("INSERT INTO directories (volume, path) VALUES (?, ?) RETURNING key");
  if (!query.ok()) return query.status();
  const std::string stored = Stored(path);
  const absl::StatusOr<bool> row = query->Bind(volume).Bind(stored).Step();
  if (!row.ok()) return row.status();
  const int64_t key = query->Int(0);
  Remember(volume, path, key);
  return key;
}

absl::StatusOr<std::string> LedgerDirectories::PathOf(int64_t key) {
  if (const auto known = paths_.find(key); known != paths_.end()) return known->second;
  absl::StatusOr<Query> query =
      database_->Prepare("SELECT volume, path FROM directories WHERE key = ?");
  if (!query.ok()) return query.status();
  const absl::StatusOr<bool> row = query->Bind(key).Step();
  if (!row.ok()) return row.status();
  if (!*row) return database_->Damaged("a row names a directory that is not there");
  std::string path = Restored(query->View(1));
  Remember(query->Int(0), path, key);
  return path;
}

absl::StatusOr<std::vector<LedgerDirectories::Entry>> LedgerDirectories::Next(
    int64_t volume, std::string_view below, const std::optional<std::string>& after,
    int directories_max) {
  absl::StatusOr<Query> query = database_->Prepare(
      "SELECT key, path FROM directories WHERE volume = ? AND path >= ? ORDER BY path LIMIT ?");
  if (!query.ok()) return query.status();
  // Nothing lies between a path and the same with a NUL.
  const std::string from =
      after.has_value() ? Stored(*after) + std::string(1, '\0') : Stored(below);
  query->Bind(volume).Bind(from).Bind(directories_max);
  std::vector<Entry> directories;
  // A damaged index could lead whoever pages back to where they were.
  std::string least = from;
  absl::StatusOr<bool> row = query->Step();
  for (; row.ok() && *row; row = query->Step()) {
    const std::string_view stored = query->View(1);
    std::string path = Restored(stored);
    if (stored < least || Stored(path) != stored) {
      return database_->Damaged("its directories are out of order");
    }
    least = StrCat(stored, std::string_view("\0", 1));
    if (!IsOrLiesBelow(path, below)) break;
    directories.push_back({query->Int(0), std::move(path)});
  }
  if (!row.ok()) return row.status();
  return directories;
}

absl::Status LedgerDirectories::DropIfEmpty(int64_t key) {
  absl::StatusOr<Query> query = database_->Prepare(
      "DELETE FROM directories WHERE key = ?1"
      " AND NOT EXISTS (SELECT 1 FROM files WHERE directory = ?1)");
  if (!query.ok()) return query.status();
  if (absl::Status dropped = query->Bind(key).Run(); !dropped.ok()) return dropped;
  if (database_->changes() == 0) return absl::OkStatus();
  const auto known = paths_.find(key);
  if (known == paths_.end()) return absl::OkStatus();
  for (auto& [volume, keys] : keys_) {
    const auto entry = keys.find(known->second);
    if (entry != keys.end() && entry->second == key) keys.erase(entry);
  }
  paths_.erase(known);
  return absl::OkStatus();
}

void LedgerDirectories::ForgetAll() {
  keys_.clear();
  paths_.clear();
}

void LedgerDirectories::Remember(int64_t volume, std::string_view path, int64_t key) {
  if (paths_.size() >= kDirectoriesRememberedMax) ForgetAll();
  keys_[volume].emplace(std::string(path), key);
  paths_.emplace(key, std::string(path));
}

}  // namespace closewrite::watcher
