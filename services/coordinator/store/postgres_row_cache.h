// Rows of a small table that a transaction has read or written, as it sees them.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_ROW_CACHE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_ROW_CACHE_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace closewrite {

// Not thread-safe.
template <class Key, class Value>
class PostgresRowCache {
 public:
  // As the database has it, nullopt for no row. What is cached already is newer.
  void Load(const Key& key, std::optional<Value> value) {
    const bool stored = value.has_value();
    rows_.try_emplace(key, Row{stored, false, std::move(value)});
  }
  // As it is to become. The key must be cached: only so it is known whether to insert or to update.
  void Put(const Key& key, std::optional<Value> value) {
    Row& row = rows_[key];
    row.value = std::move(value);
    if (!row.dirty) dirty_.push_back(key);
    row.dirty = true;
  }
  // Null when it is not cached.
  const std::optional<Value>* Find(const Key& key) const {
    const auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second.value;
  }
  // The database knows better from now on.
  void Clear() {
    rows_.clear();
    dirty_.clear();
  }
  bool dirty() const { return !dirty_.empty(); }

  // Tells what brings the database up to date, which counts as done. Each is called with a key, the
  // first two with its value too.
  template <class Insert, class Update, class Erase>
  void TakeWrites(Insert insert, Update update, Erase erase) {
    for (const Key& key : dirty_) {
      Row& row = rows_.at(key);
      if (row.value.has_value() && !row.stored) insert(key, *row.value);
      if (row.value.has_value() && row.stored) update(key, *row.value);
      if (!row.value.has_value() && row.stored) erase(key);
      row.stored = row.value.has_value();
      row.dirty = false;
    }
    dirty_.clear();
  }

  // Calls `fn` with every key and value that is there.
  template <class Fn>
  void ForEach(Fn fn) const {
    for (const auto& [key, row] : rows_) {
      if (row.value.has_value()) fn(key, *row.value);
    }
  }

 private:
  struct Row {
    bool stored = false;  // in the database
    bool dirty = false;
    std::optional<Value> value;
  };

  absl::flat_hash_map<Key, Row> rows_;
  std::vector<Key> dirty_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_ROW_CACHE_H_
