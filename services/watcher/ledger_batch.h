// Changes of one volume that wait for their common commit.
#ifndef SERVICES_WATCHER_LEDGER_BATCH_H_
#define SERVICES_WATCHER_LEDGER_BATCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/watcher/file_change.h"
#include "services/watcher/ledger.h"

namespace closewrite::watcher {

// Lies over the ledger: what was put in is found before it is committed. Not thread-safe.
class LedgerBatch {
 public:
  LedgerBatch(Ledger* ledger, int64_t volume) : ledger_(ledger), volume_(volume) {}

  absl::StatusOr<std::optional<FileRecord>> Find(std::string_view path) const;
  // What was put in for this path; nullptr when nothing was.
  const FileRecord* FindUncommitted(std::string_view path) const;
  // Rows of a directory as the ledger has them, without what was put in.
  absl::StatusOr<std::vector<FileRecord>> List(std::string_view directory) const;
  absl::StatusOr<std::optional<std::string>> NextDirectory(
      std::string_view below, const std::optional<std::string>& after) const;

  // The newest of a path.
  void Put(FileRecord record);
  // Nothing is forgotten when it fails; call it again.
  absl::Status Commit();
  size_t size() const { return records_.size(); }

 private:
  Ledger* const ledger_;
  const int64_t volume_;
  std::vector<FileRecord> records_;
  absl::flat_hash_map<std::string, size_t> by_path_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_BATCH_H_
