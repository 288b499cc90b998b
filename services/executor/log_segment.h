// How a log lies on the executor's disk: written by the command's supervisor, which has no Abseil,
// and read by the executor, neither of which waits for the other, and each of which may die.
#ifndef SERVICES_EXECUTOR_LOG_SEGMENT_H_
#define SERVICES_EXECUTOR_LOG_SEGMENT_H_

#include <cstdint>

#include "services/log_record/log_record.h"

namespace closewrite::executor {

// A log is a folder, made with the first byte, of segments: files of whole records behind a
// header. Their numbers count from 0.
//
//     3                 the supervisor writes it, or has done so
//     3.BASE.LEFT_OUT   the executor has claimed it (rename(2)): its first byte has the offset BASE
//                       in the log that is shipped; LEFT_OUT bytes of the command are missing
//                       before it, for which a note stands at BASE
//
// Once a segment is there, those before it grow no more. What is acknowledged is removed by the
// executor. When the executor falls behind, the supervisor removes the oldest that are not claimed,
// but for the head of the log: as each knows how much was written before it, what is missing shows
// by itself. So offsets are given when bytes are shipped, and never change.
struct LogSegmentHeader {
  int64_t bytes_before;  // that the command had written until then, kept or not
  int64_t time_us;       // of its beginning; since 1970
};
static_assert(sizeof(LogSegmentHeader) == 16);

inline constexpr int64_t kLogSegmentBytesMax = 4 << 20;
// Kept, whatever comes: the first ones, and those that were written last.
inline constexpr int64_t kLogHeadSegments = 4;
inline constexpr int64_t kLogTailSegments = 4;

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_LOG_SEGMENT_H_
