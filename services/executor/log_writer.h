// The supervisor's side of a log.
#ifndef SERVICES_EXECUTOR_LOG_WRITER_H_
#define SERVICES_EXECUTOR_LOG_WRITER_H_

#include <sys/types.h>

#include <cstdint>

#include "services/executor/log_segment.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {

// Copies what a command writes from its pipes into segments; see log_segment.h. What the disk does
// not take is left out, so nobody waits. Takes kLogRecordBytesMax of memory. Not thread-safe.
class LogWriter {
 public:
  // Makes the folder `name` (not owned) in `parent` (not owned) with the first byte.
  LogWriter(int parent, const char* name) : parent_(parent), name_(name) {}
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Copies what one read(2) of `pipe` brings, and returns what that returned.
  ssize_t Copy(int pipe, LogStream stream, int64_t now_us);

  // All that the command has written so far, kept or not.
  int64_t bytes() const { return bytes_; }

 private:
  bool Append(uint32_t bytes);
  bool HasRoomFor(int64_t size);
  bool OpenSegment();
  void GiveSegmentUp();
  void DropOld();

  const int parent_;
  const char* const name_;
  int folder_ = -1;
  int segment_ = -1;
  int64_t number_ = 0;    // of `segment_`, or of the next
  int64_t position_ = 0;  // in `segment_`
  int64_t next_drop_ = kLogHeadSegments;
  int64_t bytes_ = 0;
  struct {
    LogRecordHeader header;
    char bytes[kLogRecordBytesMax];
  } record_ = {};
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LOG_WRITER_H_
