// The output of one attempt, kept until the coordinator has it.
#ifndef SERVICES_EXECUTOR_ATTEMPT_LOG_H_
#define SERVICES_EXECUTOR_ATTEMPT_LOG_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/executor/log_segment.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

// Reads the segments that a supervisor writes (see log_segment.h) as one row of records, whose
// offsets never change, whichever process asks. Where bytes are missing it says so by a note.
// Thread-safe.
class AttemptLog {
 public:
  // Takes up what an earlier process has left in `folder` (absolute), which needs not be there.
  explicit AttemptLog(std::string folder);

  // Where it begins: all before was acknowledged by the time it was taken up.
  int64_t start() const;
  // What has been read so far ends here.
  int64_t end() const;
  // May be more than can be read yet. Cheap.
  bool HasMore(int64_t offset) const;
  // The supervisor has written more.
  void NoteGrowth() { grown_ = true; }
  // It writes no more; in all, the command wrote `bytes`, and ended at `time_us` since 1970.
  void NoteEnd(int64_t bytes, int64_t time_us);

  // Whole records from `offset`, where one begins and which is at most end(): at most `bytes_max`
  // bytes, which is at least kWholeLogRecordBytesMax; "" when there are none now. UNAVAILABLE when
  // they can't be read.
  absl::StatusOr<std::string> Read(int64_t offset, size_t bytes_max);

  // The coordinator has all before `offset`.
  void Acknowledge(int64_t offset);

  // Bytes that lie there, headers and all.
  int64_t size() const;

  // Removes the folder; the log is then empty.
  void Remove();

 private:
  // One that was claimed.
  struct Segment {
    int64_t number = 0;
    int64_t base = 0;
    int64_t left_out = 0;
    std::string note;  // a record, of what is left out; "" when nothing is
    Fd file;           // none for what is left out at the very end
    int64_t records() const { return base + static_cast<int64_t>(note.size()); }
  };
  enum class Next { kNone, kClaimed, kAgain };

  std::string File(const std::string& name) const { return folder_ + "/" + name; }
  std::optional<Segment> TakeUp(const std::string& name) const;
  std::optional<int64_t> NextNumber() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Next> ClaimNext(int64_t base) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is left out behind the last segment.
  Next ClaimEnd(int64_t base) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How much the command had written by the end of the last one.
  int64_t BytesSoFar() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveAcknowledged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  std::atomic<bool> grown_ = true;
  mutable absl::Mutex mutex_;
  std::deque<Segment> segments_ ABSL_GUARDED_BY(mutex_);  // in order
  int64_t end_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<int64_t> bytes_in_all_ ABSL_GUARDED_BY(mutex_);
  int64_t ended_us_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_LOG_H_
