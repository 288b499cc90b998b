// Decides whether a file is finished and new, and what is said of it.
#ifndef SERVICES_WATCHER_FILE_JUDGE_H_
#define SERVICES_WATCHER_FILE_JUDGE_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/watcher/file_change.h"
#include "services/watcher/ledger.h"
#include "services/watcher/ledger_batch.h"
#include "services/watcher/pending_files.h"
#include "services/watcher/writer_check.h"

namespace closewrite::watcher {

// A name without a close counts as a hard link after this long.
inline constexpr absl::Duration kLinkDelay = absl::Seconds(1);
// Times that are set after the close are looked at after this long.
inline constexpr absl::Duration kAttribDelay = absl::Milliseconds(50);
// While the coordinator has not acknowledged the file, again after up to this long.
inline constexpr absl::Duration kAttribDelayMax = absl::Seconds(5);

// Events only say where to look. What counts is the file system now, against the ledger: so it does
// not matter in what order, how often, or by what a path comes up. Results go to the batch; files
// to be looked at again to the pending ones. Not thread-safe.
//
// A version is recorded only as it was while a lease proved that nobody had the file open for
// writing (CheckWriter), so no half-written version can be announced.
class FileJudge {
 public:
  // What a volume wants, beyond finished files.
  struct Rules {
    bool writer_check = true;
    bool create = false;   // names that appear are recorded as CREATE
    absl::Duration quiet;  // zero: a file that has a writer is never called finished
    // Over 0: the volume is polled; a file is finished when it was seen the same this many times,
    // in looks that are `poll` apart.
    int poll_unchanged = 0;
    absl::Duration poll;
  };

  // None is owned.
  FileJudge(const Ledger* ledger, LedgerBatch* batch, PendingFiles* pending)
      : ledger_(ledger), batch_(batch), pending_(pending) {}

  // Descriptor of the volume's root; before any of the calls below.
  void SetRoot(int root) { root_ = root; }
  void SetRules(const Rules& rules) { rules_ = rules; }

  // What is compared. On a polled volume without the inode: network mounts number them anew.
  ContentVersion VersionOf(const struct stat& st) const;

  // The file may be finished. `backoff` is the pause before this look, if it is a repeated one. One
  // that was renamed into place and waits for its writer stays one that was renamed into place.
  void Consider(std::string_view path, Cause cause, absl::Time now,
                absl::Duration backoff = absl::ZeroDuration());
  // A name was made. A second link is finished; for another a close may follow.
  void Created(std::string_view path, absl::Time now);
  // Its content was changed, and it was not closed. Only with Rules::quiet.
  void Modified(std::string_view path, absl::Time now);
  // An audit found it to differ from what is known, or to be gone.
  void Audited(std::string_view path, absl::Time now);
  // Something but the content was changed, perhaps times.
  void AttributesChanged(std::string_view path, absl::Time now);
  // The name may be gone; if it is, and was known, it is recorded as `kind`.
  void ConsiderGone(std::string_view path, ChangeKind kind, ChangeSource source, absl::Time now);

  // Looks at one of PendingFiles::TakeWritten ahead of its time. It goes back if it has a writer.
  void LookNow(PendingFile file, absl::Time now);
  // The time of a pending file has come. True when it must be confirmed: `version` is set, and
  // Confirmed is to be called once every event up to now has been interpreted and the path is still
  // pending.
  bool Due(const PendingFile& file, absl::Time now, ContentVersion* version);
  void Confirmed(const PendingFile& file, absl::Time now);

  // Changes that only an audit found.
  int64_t audit_found() const { return audit_found_; }

  // The first error of the ledger since the last call: what was looked at meanwhile is in doubt.
  absl::Status TakeFailure();

 private:
  // The row of a file that is known and not gone.
  std::optional<FileRecord> Known(std::string_view path);
  void Put(std::string_view path, const ContentVersion& version, const Cause& cause,
           absl::Time now);
  // It has a writer, or one can't be ruled out yet.
  void StillWritten(std::string_view path, bool known, const struct stat& st, const Cause& cause,
                    absl::Time now, absl::Duration backoff);
  void DueQuiet(const PendingFile& file, absl::Time now);
  absl::StatusOr<CheckedFile> Check(std::string_view path) const;
  bool DueLink(const PendingFile& file, absl::Time now, ContentVersion* version);
  bool DueAttrib(const PendingFile& file, absl::Time now, ContentVersion* version);

  const Ledger* const ledger_;
  LedgerBatch* const batch_;
  PendingFiles* const pending_;
  int root_ = -1;
  Rules rules_;
  int64_t audit_found_ = 0;
  absl::Status failure_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FILE_JUDGE_H_
