// What is known of every path, and what of it the coordinator has acknowledged.
#ifndef SERVICES_WATCHER_LEDGER_H_
#define SERVICES_WATCHER_LEDGER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
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
#include "services/clock/clock.h"
#include "services/volume/file_system.h"
#include "services/watcher/database.h"
#include "services/watcher/file_change.h"
#include "services/watcher/ledger_directories.h"
#include "services/watcher/ledger_lineage.h"
#include "services/watcher/ledger_schema.h"
#include "services/watcher/published_file.h"

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

// Of a row of which nothing is known yet.
inline constexpr int64_t kUnknownSequence = -1;
// Room for the numbers of ChangeKind; the first is not used.
inline constexpr size_t kChangeKinds = static_cast<size_t>(ChangeKind::kAttrib) + 1;

// The rows of one directory, in byte order of their names.
struct DirectoryRows {
  std::string directory;
  std::vector<FileRecord> rows;
};

// For people and for metrics.
struct LedgerNumbers {
  struct Volume {
    int64_t pending = 0;
    // Since the ledger was opened, by ChangeKind; what was recorded again counts again.
    std::array<int64_t, kChangeKinds> recorded = {};
    int64_t found = 0;         // of these, by a rescan or an audit
    int64_t acknowledged = 0;  // since then, too
  };
  std::map<std::string, Volume> volumes;
  int64_t sequence = 0;
  int64_t acknowledged = 0;
  int64_t failed_commits = 0;  // since it was opened
  // When the oldest change that is not acknowledged was noticed; 0: there is none.
  int64_t oldest_pending_unix_ns = 0;
};

// Pages of 4 KiB in the write-ahead log before they are copied into the file, which syncs it.
inline constexpr int kCheckpointPages = 4096;
// Sequences that are skipped when a ledger is opened again: more than one process can ever give.
inline constexpr int64_t kSequencesLostMax = int64_t{1} << 32;

// The spool between the file system and the coordinator: one row a path, with its newest version
// and a sequence number that rises with each change. Rows past the acknowledged sequence are
// pending; a row that changes again before that simply moves on, so an outage of any length costs
// at most one row a path. The row of a file that is gone is dropped when its deletion is
// acknowledged.
//
// An SQLite file in WAL mode with synchronous=NORMAL: a killed process loses nothing; a power cut
// may take the last moments, which the startup scan finds again. On a full disk Record, Acknowledge
// and the others fail with RESOURCE_EXHAUSTED and change nothing; call them again. Thread-safe; one
// mutex.
class Ledger {
 public:
  // Opens or makes `ledger.db` in a directory that exists, and locks the directory. A damaged file
  // is moved aside (`ledger.db.damaged-<unix seconds>`), logged, and a new one begun: everything is
  // then announced again, nothing is lost. FAILED_PRECONDITION when another process has the
  // directory.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& directory) {
    return Open(directory, BootId());
  }
  // As the start of the kernel that is named so.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& directory,
                                                      std::string_view boot_id);
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
  // At most `directories_max` directories that have rows and are `below` or lie below it, after
  // `after` (nullopt: from the start): in the order of a walk that visits names in byte order, so
  // that "a/x" comes before "a-b".
  absl::StatusOr<std::vector<std::string>> NextDirectories(int64_t volume, std::string_view below,
                                                           const std::optional<std::string>& after,
                                                           int directories_max);
  // As NextDirectories, with their rows; gone ones too.
  absl::StatusOr<std::vector<DirectoryRows>> ListNext(int64_t volume, std::string_view below,
                                                      const std::optional<std::string>& after,
                                                      int directories_max);

  // Records the newest of some paths in one commit, giving them sequences in their order. A file
  // that an order of a job has put in place (BeginPublishing) gets its `caused_by_job`.
  absl::Status Record(int64_t volume, absl::Span<const FileRecord> records) {
    return Record(volume, records, {});
  }
  // With the sequence that the row of each path has before, for those who know: 0 when there is
  // none, kUnknownSequence. Only the volume's one writer can know.
  absl::Status Record(int64_t volume, absl::Span<const FileRecord> records,
                      absl::Span<const int64_t> before);

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

  // For a volume whose `pending` alone is asked for, CountPending is cheaper.
  absl::StatusOr<LedgerNumbers> Numbers();

  // Publishing: that renames of these files of an order begin. So a staged file that is missing
  // later was renamed by us; and the rows of the files name the job. Survives a power cut too: else
  // a result that a consumer has taken already might be made and published once more.
  absl::Status BeginPublishing(int64_t job, int64_t token, std::string_view volume,
                               absl::Span<const PublishedFile> files);
  absl::StatusOr<bool> PublishingBegan(int64_t job, int64_t token);
  // Forgets those of all other orders: they are settled.
  absl::Status ForgetPublishingExcept(const std::set<std::pair<int64_t, int64_t>>& orders);

 private:
  struct Volume {
    std::string name;
    LedgerNumbers::Volume numbers;
  };

  Ledger() = default;

  absl::Status Load(const std::string& file, std::string_view boot_id);
  absl::Status LoadVolumes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<FileRecord>> ReadDirectory(int64_t key, std::string_view directory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<int64_t> CausingJob(int64_t volume, const FileRecord& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<int64_t> SequenceOf(int64_t directory, std::string_view name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RecordOne(int64_t volume, const FileRecord& record, int64_t before, int64_t* pending)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DropGone(int64_t sequence, std::map<int64_t, int64_t>* acknowledged)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ForgetPendingOf(int64_t volume) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `body` in a transaction; rolls it back when it fails.
  absl::Status Change(const std::function<absl::Status()>& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Sees to it that a damaged file is checked at the next start.
  void NoteDamage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string id_;
  const SteadyClock clock_;
  std::function<void()> listener_;
  Fd lock_;
  Fd log_;  // SQLite's write-ahead log
  mutable absl::Mutex mutex_;
  std::unique_ptr<Database> database_ ABSL_GUARDED_BY(mutex_);
  std::optional<LedgerDirectories> directories_ ABSL_GUARDED_BY(mutex_);
  std::optional<LedgerLineage> lineage_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Volume> volumes_ ABSL_GUARDED_BY(mutex_);  // by key
  bool reload_ ABSL_GUARDED_BY(mutex_) = false;                // what is counted may be wrong
  bool suspect_ ABSL_GUARDED_BY(mutex_) = false;               // damage was met
  int64_t failed_commits_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_LEDGER_H_
