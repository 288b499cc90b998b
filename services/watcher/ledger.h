// What is known of every path, and what of it the coordinator has acknowledged.
#ifndef SERVICES_WATCHER_LEDGER_H_
#define SERVICES_WATCHER_LEDGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "services/volume/file_system.h"
#include "services/watcher/database.h"
#include "services/watcher/file_change.h"

namespace closewrite::watcher {

// A volume in the ledger.
struct LedgerVolume {
  int64_t key = 0;
  std::string name;
  std::string marker;  // id in its marker file; empty: the ledger has never known the volume
};

// A change that the coordinator has not acknowledged.
struct PendingChange {
  std::string volume;
  FileRecord record;
};

// Sequences that are skipped when a ledger is opened again: more than one process can ever give.
inline constexpr int64_t kSequencesLostMax = int64_t{1} << 32;

// The spool between the file system and the coordinator: one row a path, with its newest version
// and a sequence number that rises with each change. Rows past the acknowledged sequence are
// pending; a row that changes again before that simply moves on, so an outage of any length costs
// at most one row a path. The row of a file that is gone is dropped when its deletion is
// acknowledged.
//
// An SQLite file in WAL mode with synchronous=NORMAL: a killed process loses nothing; a power cut
// may take the last moments, which the startup scan finds again. Thread-safe; one mutex.
class Ledger {
 public:
  // Opens or makes `ledger.db` in a directory that exists, and locks the directory. A damaged file
  // is moved aside (`ledger.db.damaged-<unix seconds>`), logged, and a new one begun: everything is
  // then announced again, nothing is lost. FAILED_PRECONDITION when another process has the
  // directory.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& directory);
  ~Ledger();

  // 16 random bytes, made with the file.
  const std::string& id() const { return id_; }

  // Called after each change and each acknowledgement, from the thread that made it, without locks.
  // Set before threads use the ledger.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

  // Finds a volume, or adds it.
  absl::StatusOr<LedgerVolume> FindVolume(std::string_view name);
  absl::Status SetMarker(int64_t volume, std::string_view marker);
  // Drops what is pending of volumes that are not configured any more: if one comes back, its scan
  // finds those files again.
  absl::Status ForgetPendingExcept(const std::vector<std::string>& volumes);

  absl::StatusOr<std::optional<FileRecord>> Find(int64_t volume, std::string_view path);
  // Rows of one directory, not of those below; gone ones too.
  absl::StatusOr<std::vector<FileRecord>> List(int64_t volume, std::string_view directory);
  // The next directory after `after` in byte order that has rows and is `below` or lies below it;
  // nullopt as `after` starts.
  absl::StatusOr<std::optional<std::string>> NextDirectory(int64_t volume, std::string_view below,
                                                           const std::optional<std::string>& after);

  // Records the newest of some paths in one commit, giving them sequences in their order.
  absl::Status Record(int64_t volume, absl::Span<const FileRecord> records);

  // At most `rows_max` pending rows with a sequence over `after`, in order.
  absl::StatusOr<std::vector<PendingChange>> Pending(int64_t after, int rows_max);
  // The coordinator has committed everything up to `sequence`.
  absl::Status Acknowledge(int64_t sequence);
  // The link is about to send rows up to `sequence`.
  void NoteSent(int64_t sequence);

  // The newest sequence.
  int64_t sequence() const;
  int64_t acknowledged() const;
  // Whether a row may be known to the coordinator though it is not acknowledged.
  bool MayBeInFlight(int64_t sequence) const;
  // Whether no row up to `sequence` is pending.
  absl::StatusOr<bool> Settled(int64_t sequence);
  absl::StatusOr<int64_t> CountPending(int64_t volume);

  // Publishing: that renames of this order have begun, so that a staged file that is missing was
  // renamed by us.
  absl::Status BeginPublishing(int64_t job, int64_t token);
  absl::StatusOr<bool> PublishingBegan(int64_t job, int64_t token);
  // Forgets those of all other orders: they are settled.
  absl::Status ForgetPublishingExcept(const std::set<std::pair<int64_t, int64_t>>& orders);

 private:
  Ledger() = default;

  absl::Status Load(const std::string& file);
  absl::Status CreateTables() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckIntegrity() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Meta(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<int64_t> MetaNumber(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetMeta(std::string_view key, std::string_view value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetMeta(std::string_view key, int64_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Upsert(int64_t volume, const FileRecord& record, int64_t sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `body` in a transaction; rolls it back when it fails.
  absl::Status Transact(const std::function<absl::Status()>& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string id_;
  std::function<void()> listener_;
  Fd lock_;
  mutable absl::Mutex mutex_;
  std::unique_ptr<Database> database_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_H_
