// Which job a file comes from, from before its rename until its row is recorded.
#ifndef SERVICES_WATCHER_LEDGER_LINEAGE_H_
#define SERVICES_WATCHER_LEDGER_LINEAGE_H_

#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/watcher/database.h"
#include "services/watcher/published_file.h"

namespace closewrite::watcher {

// What no row has taken up is dropped, the oldest first: past this age, as soon as others come ...
inline constexpr absl::Duration kLineageAgeMax = absl::Hours(24 * 7);
// ... and past this number.
inline constexpr int64_t kLineagesMax = 200'000;

// A row a file that is about to be renamed, by volume, path and inode: the rename keeps the inode,
// and nobody else can bring it to that path. Calls that change something belong into a transaction.
// Not thread-safe.
class LedgerLineage {
 public:
  explicit LedgerLineage(Database* database) : database_(database) {}

  absl::Status Add(int64_t volume, absl::Span<const PublishedFile> files, int64_t job,
                   absl::Time now);
  // The job, which is then forgotten; 0 when none is known.
  absl::StatusOr<int64_t> Take(int64_t volume, std::string_view path, uint64_t inode);
  // What is remembered may be wrong: a transaction was rolled back.
  void ForgetAll() { loaded_ = false; }

 private:
  absl::Status Load();
  // Drops up to twice as many as come, so that what is left over gets fewer.
  absl::Status Trim(int64_t coming, absl::Time now);

  Database* const database_;
  // Most files come from no job, and most of those have an inode that is not here. One that was
  // taken stays until the next Load.
  bool loaded_ = false;
  absl::flat_hash_set<uint64_t> inodes_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_LINEAGE_H_
