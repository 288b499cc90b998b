// Finds what no event told: the difference between the file system and the ledger.
#ifndef SERVICES_WATCHER_SCANNER_H_
#define SERVICES_WATCHER_SCANNER_H_

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/volume/ignore_list.h"
#include "services/watcher/file_judge.h"
#include "services/watcher/ledger_batch.h"
#include "services/watcher/pending_files.h"
#include "services/watcher/watched_tree.h"

namespace closewrite::watcher {

// Past this many requests they become one for the whole volume.
inline constexpr size_t kScanRequestsMax = 10'000;

struct ScanRequest {
  // Relative path; "" is the whole volume.
  std::string directory;
  // What is said of a file that is found.
  Cause cause = kCausedByScan;
  // Where the directory was before; a file that is known there, unchanged, was moved with it.
  std::optional<std::string> moved_from;
  // No walk: only look whether what is known below `directory` is gone, and record it as this.
  std::optional<ChangeKind> only_gone;
};

// Walks directories, each one watched before it is listed, and hands what differs from the ledger
// to the judge. Works in small steps between events, on the thread of the engine. Requests are
// served in order. Not thread-safe.
class Scanner {
 public:
  struct Options {
    WatchedTree* tree;
    LedgerBatch* batch;
    FileJudge* judge;
    const PendingFiles* pending;
    const IgnoreList* ignore;
    // OK while the volume is the one that it should be; asked before anything is taken for gone.
    std::function<absl::Status()> check_volume;
  };

  explicit Scanner(Options options) : options_(std::move(options)) {}

  void Enqueue(ScanRequest request);
  // Asks for the whole volume, once behind everything that is under way.
  void EnqueueAll(const Cause& cause = kCausedByScan);
  // Asks for an audit: a walk over the whole volume that rests while there is anything else to do,
  // and whose findings wait for the events that may be on their way. One at a time.
  void StartAudit();
  // One directory. Errors: of check_volume, or of the ledger; the scan in progress has ended.
  absl::Status Step(absl::Time now);
  void Clear();

  bool busy() const { return active_.has_value() || !requests_.empty(); }
  // Only an audit is left to do, which has no hurry.
  bool auditing() const { return audit_.has_value(); }
  // Whether the whole volume is, or will be, walked.
  bool scanning_all() const { return scanning_all_ > 0; }
  // A scan asked for as number n has ended when finished() >= n.
  int64_t requested() const { return requested_; }
  int64_t finished() const { return finished_; }
  // Walks over the whole volume that have ended, without audits.
  int64_t whole_finished() const { return whole_finished_; }

 private:
  struct Scan {
    ScanRequest request;
    std::vector<std::string> directories;  // to be walked
    std::vector<std::string> missing;      // files that were not listed where they are known
    std::optional<std::string> ledger_cursor;
    bool checked;  // the volume, after the walk
    bool audit() const { return request.cause.source == ChangeSource::kAudit; }
  };
  void Begin();
  void Finish();
  absl::Status StepOne(absl::Time now, bool* finished);
  void Gone(const std::string& path, ChangeKind kind, ChangeSource source, absl::Time now);
  absl::Status Walk(std::string path, absl::Time now);
  // Names of what is to be looked at, sorted. False when it could not be read to its end.
  bool List(DIR* directory, std::string_view path, std::vector<std::string>* files,
            std::vector<std::string>* directories);
  absl::Status Compare(std::string_view path, int directory, const std::vector<std::string>& files,
                       absl::Time now);
  void Found(const std::string& path, const struct stat& st, const FileRecord* known,
             absl::Time now);
  void ForgetChildren(std::string_view path, const std::vector<std::string>& directories);
  // Looks at the next directory of the ledger. False when there is none.
  absl::StatusOr<bool> SweepNext(absl::Time now);

  const Options options_;
  std::deque<ScanRequest> requests_;
  std::optional<Scan> active_;
  std::optional<Scan> audit_;
  Scan* scan_ = nullptr;  // the one of the two that is stepped
  int scanning_all_ = 0;  // requests for the whole volume, the active one too
  int64_t requested_ = 0;
  int64_t finished_ = 0;
  int64_t whole_finished_ = 0;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_SCANNER_H_
