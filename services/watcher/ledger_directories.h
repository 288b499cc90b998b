// The ledger's directories, and the numbers by which its rows name them.
#ifndef SERVICES_WATCHER_LEDGER_DIRECTORIES_H_
#define SERVICES_WATCHER_LEDGER_DIRECTORIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/watcher/database.h"

namespace closewrite::watcher {

// Directories that are remembered beside the table; past these all are forgotten.
inline constexpr size_t kDirectoriesRememberedMax = 4096;

// Directories that have rows, each with a number, of all volumes. They are stored with NUL in place
// of '/', so that their byte order is the order of a walk that visits names in byte order, and all
// that lies below one follows it. Not thread-safe.
class LedgerDirectories {
 public:
  struct Entry {
    int64_t key = 0;
    std::string path;
  };

  explicit LedgerDirectories(Database* database) : database_(database) {}

  absl::StatusOr<std::optional<int64_t>> Find(int64_t volume, std::string_view path);
  absl::StatusOr<int64_t> FindOrAdd(int64_t volume, std::string_view path);
  absl::StatusOr<std::string> PathOf(int64_t key);

  // At most `directories_max` that follow `after` (nullopt: from the start) in the order of a walk
  // and are `below` or lie below it.
  absl::StatusOr<std::vector<Entry>> Next(int64_t volume, std::string_view below,
                                          const std::optional<std::string>& after,
                                          int directories_max);

  // Drops it if it has no rows left.
  absl::Status DropIfEmpty(int64_t key);
  // What is remembered may be wrong: a transaction was rolled back.
  void ForgetAll();

 private:
  void Remember(int64_t volume, std::string_view path, int64_t key);

  Database* const database_;
  absl::flat_hash_map<int64_t, absl::flat_hash_map<std::string, int64_t>> keys_;  // by volume
  absl::flat_hash_map<int64_t, std::string> paths_;                               // by key
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_DIRECTORIES_H_
