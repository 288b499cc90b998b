// Changes of one volume that wait for their common commit.
#ifndef SERVICES_WATCHER_LEDGER_BATCH_H_
#define SERVICES_WATCHER_LEDGER_BATCH_H_

#include <cstdint>
#include <deque>
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

// Directories that NextDirectory reads at once.
inline constexpr int kDirectoriesReadAhead = 256;

// Lies over the ledger: what was put in is found before it is committed. Not thread-safe.
class LedgerBatch {
 public:
  LedgerBatch(Ledger* ledger, int64_t volume) : ledger_(ledger), volume_(volume) {}

  absl::StatusOr<std::optional<FileRecord>> Find(std::string_view path) const;
  // What was put in for this path; nullptr when nothing was.
  const FileRecord* FindUncommitted(std::string_view path) const;
  // Rows of a directory as the ledger has them, without what was put in.
  absl::StatusOr<std::vector<FileRecord>> List(std::string_view directory) const;
  // The next directory after `after` (nullopt: the first) that has rows in the ledger and is
  // `below` or lies below it. Some are read ahead, so one that came since may be left out.
  absl::StatusOr<std::optional<std::string>> NextDirectory(std::string_view below,
                                                           const std::optional<std::string>& after);

  // The newest of a path.
  void Put(FileRecord record);
  // Nothing is forgotten when it fails; call it again.
  absl::Status Commit();
  size_t size() const { return records_.size(); }

 private:
  Ledger* const ledger_;
  const int64_t volume_;
  std::vector<FileRecord> records_;
  std::vector<int64_t> before_;  // for each record the sequence of its path's row in the ledger
  // What the last Find found in the ledger; most often the next Put is of the same path.
  mutable std::string found_path_;
  mutable int64_t found_sequence_ = kUnknownSequence;
  absl::flat_hash_map<std::string, size_t> by_path_;
  // Of NextDirectory: what follows `read_after_` below `read_below_`.
  std::string read_below_;
  std::optional<std::string> read_after_;
  std::deque<std::string> read_ahead_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_BATCH_H_
