// Files that must be looked at again later.
#ifndef SERVICES_WATCHER_PENDING_FILES_H_
#define SERVICES_WATCHER_PENDING_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/watcher/file_change.h"

namespace closewrite::watcher {

inline constexpr size_t kPendingFilesMax = 200'000;
// The kernel tells of a close before it takes the right to write away (fs/file_table.c, __fput), so
// a reader that is quick finds a writer that is gone a moment later.
inline constexpr absl::Duration kWrittenRetryMin = absl::Milliseconds(2);
inline constexpr absl::Duration kWrittenRetryMax = absl::Seconds(60);

enum class PendingReason {
  kWritten,  // a writer has it open; its close will tell, the retry is for a close that is not seen
  kLink,     // a name was made; a close may follow
  kAttrib,   // its times were set after it was announced; a close may follow
  kQuiet,  // it was changed and not closed, or is polled: `version` is what it was at the last look
  kAudit,  // the audit found it different or gone; the event that tells may be on its way
};

struct PendingFile {
  std::string path;
  PendingReason reason = PendingReason::kWritten;
  Cause cause = kCausedByClose;
  absl::Time due;
  absl::Duration backoff;  // the pause that led to `due`, for those that are looked at repeatedly
  int64_t order = 0;       // rises with each file that is put in
  // kQuiet: looks that must see the same version before it counts as finished.
  int looks_left = 0;
  // While it is confirmed: everything that the kernel had to say up to a barrier must be heard
  // before this version may be believed.
  ContentVersion version;
  int64_t barrier = 0;
};

// A timer queue with at most one entry a path, the newest. Time is passed in. Not thread-safe.
class PendingFiles {
 public:
  // Looks again after `backoff_before` * 2, between kWrittenRetryMin and kWrittenRetryMax. False
  // when it is full: then the file's own close event must do.
  bool Written(std::string_view path, const Cause& cause, absl::Time now,
               absl::Duration backoff_before);
  // Looks at it at `due`. An entry of the same reason that waits for its time keeps it. False when
  // it is full.
  bool Defer(std::string_view path, PendingReason reason, absl::Time due);
  // Looks at `due` whether it is still `version`; `looks` times in a row must say so. False when it
  // is full.
  bool Quiet(std::string_view path, const Cause& cause, const ContentVersion& version, int looks,
             absl::Time due);
  // Puts a file that was taken back in, to be looked at at `due`; it keeps its place.
  bool Again(PendingFile file, absl::Time due);
  // Holds a file that was taken until `barrier` has been reached; it keeps its place.
  bool Confirm(PendingFile file, const ContentVersion& version, int64_t barrier);

  void Erase(std::string_view path);
  void Clear();

  // Takes out at most `files_max` that are due.
  std::vector<PendingFile> TakeDue(absl::Time now, size_t files_max);
  // Takes out all that have a writer, or had one when they were looked at last.
  std::vector<PendingFile> TakeWritten();
  // Takes out all that wait for this barrier or an earlier one.
  std::vector<PendingFile> TakeConfirmed(int64_t barrier);

  // InfiniteFuture when nothing waits for a time.
  absl::Time NextDue() const;
  bool Waits(std::string_view path, PendingReason reason) const;
  bool WaitsAtAll(std::string_view path) const { return Find(path) != nullptr; }
  // nullptr when it does not wait; valid until the next change.
  const PendingFile* Find(std::string_view path) const;
  // `cause`, or that of the file that waits if it was renamed into place: it stays one that was.
  Cause CauseOf(std::string_view path, const Cause& cause) const;
  // Whether any waits that was put in before `order`, but for those that have a writer.
  bool AnyBefore(int64_t order) const;
  int64_t next_order() const { return next_order_; }
  size_t size() const { return files_.size(); }

 private:
  bool Put(PendingFile file);
  static bool IsWaitedFor(const PendingFile& file);
  PendingFile TakeOut(const std::string& path);

  absl::flat_hash_map<std::string, PendingFile> files_;
  absl::btree_set<std::pair<absl::Time, std::string>> by_due_;
  absl::btree_set<std::pair<int64_t, std::string>> by_barrier_;
  absl::btree_set<int64_t> short_orders_;  // of all that are waited for
  int64_t next_order_ = 1;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_PENDING_FILES_H_
