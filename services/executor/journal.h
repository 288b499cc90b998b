// What an executor has to remember about its attempts beyond its own death.
#ifndef SERVICES_EXECUTOR_JOURNAL_H_
#define SERVICES_EXECUTOR_JOURNAL_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "closewrite/v1/attend.pb.h"
#include "services/executor/supervisor_files.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// Entries that are taken up at a start; more would mean that nothing was ever settled.
inline constexpr size_t kJournalEntriesMax = 100000;

// An attempt whose command was started, or was about to be.
struct JournalEntry {
  v1::Assignment assignment;
  std::optional<SupervisorState> state;     // when its supervisor was started
  std::optional<v1::AttemptResult> result;  // when it came so far
};

// The state directory: `lock`, `session`, and the folders `attempts`, `logs` and `scratch`. Files
// are written whole (a new one is renamed into place) but not synced: after a power cut the session
// has expired, and the coordinator knows what to do. Thread-safe.
class Journal {
 public:
  // Makes the directory and takes its lock, for up to `lock_within`: a dying executor holds it for
  // some milliseconds, and its guardian while it speaks. FAILED_PRECONDITION when another executor
  // holds it.
  static absl::StatusOr<Journal> Open(std::string directory, absl::Duration lock_within);

  SupervisorFiles FilesOf(const v1::LeaseRef& lease) const;
  // The open folder of all logs; a log has the name of its supervisor's files.
  int logs() const { return logs_.get(); }
  std::string LogFolder(const v1::LeaseRef& lease) const;
  // A directory for a command to run in, new and empty.
  absl::StatusOr<std::string> MakeScratch(const v1::LeaseRef& lease) const;
  void RemoveScratch(const v1::LeaseRef& lease) const;

  // Called before a command is started.
  absl::Status RecordStart(const v1::Assignment& assignment) const;
  // Called when it has ended.
  absl::Status RecordResult(const v1::AttemptResult& result) const;
  // Called when it is settled.
  void Forget(const v1::LeaseRef& lease) const;

  // What an earlier process has left. Entries that can't be read are dropped.
  std::vector<JournalEntry> Left() const;
  // The same; also removes whatever no attempt stands for.
  std::vector<JournalEntry> TakeUp() const;

  // "" when there is none.
  std::string Session() const;
  absl::Status RecordSession(const std::string& session_id) const;
  // Before its end is asked for: whoever comes later may not resume it, for the request may take
  // its time.
  absl::Status RecordEnding() const;
  bool SessionIsEnding() const;

 private:
  explicit Journal(std::string directory) : directory_(std::move(directory)) {}
  absl::Status MakeFolders();
  absl::Status Lock(absl::Duration within);
  void RemoveStrays(const std::vector<JournalEntry>& left) const;

  std::string File(const char* folder, const v1::LeaseRef& lease, const char* suffix) const;

  std::string directory_;
  Fd lock_;
  Fd attempts_;
  Fd logs_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_JOURNAL_H_
