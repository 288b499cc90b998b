// The store in one SQLite file: the coordinator's default, with nothing to install or to start.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_STORE_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/file_lock.h"
#include "services/coordinator/store/sqlite_checkpointer.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_transaction.h"

namespace closewrite {

struct SqliteStoreOptions {
  // The database file grows to so many pages of 4 KiB at most, then it counts as a full disk. 0: as
  // far as SQLite goes.
  int64_t pages_max = 0;
  // A larger file is checked once after each start of the machine, a smaller one at each opening.
  int64_t checked_always_bytes_max = int64_t{64} << 20;
  // When the write-ahead log is copied.
  SqliteCheckpointer::Limits checkpoints;
  // See SqliteConnection::Open.
  std::string vfs;
};

// Thread-safe. A write-ahead log is synced with every commit (journal_mode=WAL, synchronous=FULL,
// https://www.sqlite.org/wal.html), so what Write acknowledged outlives a power cut; a Write that
// wrote nothing costs no sync. One connection writes and one reads, so a Read sees the last commit
// before it began, and neither waits for the other; a third one copies the log into the file.
class SqliteStore final : public Store {
 public:
  static constexpr int64_t kWriterCacheKibMax = 64 << 10;
  static constexpr int64_t kReaderCacheKibMax = 16 << 10;
  // The write-ahead log is cut back to this after a checkpoint.
  static constexpr int64_t kJournalBytesMax = int64_t{64} << 20;

  // Opens the file, or creates it when it is not there, and checks it (`PRAGMA quick_check`: it
  // reads the whole file, some 250 MB a second). A large one is not checked again while the machine
  // runs: a process that is killed leaves nothing damaged. The lock's file says which file was
  // checked and when; remove it to have it checked anyway. FAILED_PRECONDITION: another process has
  // it open, a newer coordinator wrote it, or it belongs to another program. DATA_LOSS: it is
  // damaged. UNAVAILABLE: it can't be read or written. All messages name the file and say what to
  // do.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           const SqliteStoreOptions& options = {});

  absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) override
      ABSL_LOCKS_EXCLUDED(write_mutex_);
  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) override
      ABSL_LOCKS_EXCLUDED(read_mutex_);
  std::string Durability() const override;

  // The statements that were used so far: for tests of their query plans.
  std::vector<std::string> PreparedSql() ABSL_LOCKS_EXCLUDED(write_mutex_, read_mutex_);

 private:
  SqliteStore(std::unique_ptr<FileLock> lock, std::unique_ptr<SqliteConnection> writer,
              std::unique_ptr<SqliteConnection> reader);
  void CheckpointBy(std::unique_ptr<SqliteConnection> connection,
                    const SqliteCheckpointer::Limits& limits);

  // In this order: the lock is given back last.
  const std::unique_ptr<FileLock> lock_;
  absl::Mutex write_mutex_;
  const std::unique_ptr<SqliteConnection> writer_ ABSL_PT_GUARDED_BY(write_mutex_);
  SqlitePruneCursors prune_cursors_ ABSL_GUARDED_BY(write_mutex_);
  absl::Mutex read_mutex_;
  const std::unique_ptr<SqliteConnection> reader_ ABSL_PT_GUARDED_BY(read_mutex_);
  std::unique_ptr<SqliteCheckpointer> checkpointer_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_STORE_H_
