// The output of one attempt, kept until the coordinator has it.
#ifndef SERVICES_EXECUTOR_ATTEMPT_LOG_H_
#define SERVICES_EXECUTOR_ATTEMPT_LOG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/log_record/log_record.h"
#include "services/volume/file_system.h"

namespace closewrite::executor {

inline constexpr int64_t kLogBytesMax = 64 << 20;

// A file of records (see log_record.h) that grows. It is made with the first byte, so that silent
// commands cost nothing. Thread-safe.
class AttemptLog {
 public:
  struct Options {
    std::string file;  // absolute path
    int64_t log_bytes_max = kLogBytesMax;
  };

  // Takes up the whole records of a file that an earlier process has left.
  explicit AttemptLog(Options options);

  // What goes beyond the limit is dropped, after a last note that says so; likewise what can't be
  // written, with the reason. Never makes the command fail.
  void Append(LogStream stream, std::string_view bytes);

  // Headers included.
  int64_t size() const;

  // Whole records from `offset`, where one begins: at most `bytes_max` bytes, which is at least
  // kWholeLogRecordBytesMax; "" at the end. UNAVAILABLE when the file can't be read.
  absl::StatusOr<std::string> Read(int64_t offset, size_t bytes_max) const;

  // Removes the file; the log is then empty and takes no more.
  void Remove();

 private:
  bool WriteLocked(std::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> ReadLocked(int64_t offset, size_t size) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable absl::Mutex mutex_;
  Fd file_ ABSL_GUARDED_BY(mutex_);
  int64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;  // takes no more
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_LOG_H_
