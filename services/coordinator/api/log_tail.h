// Finds where the last lines of a log begin, reading it backwards in pieces.
#ifndef SERVICES_COORDINATOR_API_LOG_TAIL_H_
#define SERVICES_COORDINATOR_API_LOG_TAIL_H_

#include <cstdint>

#include "services/coordinator/core/log_pieces.h"

namespace closewrite {

// A place within a log: so many bytes behind the beginning of the part at `offset`.
struct LogPlace {
  int64_t offset = 0;
  int64_t skip = 0;
};

// Of all that some streams say together. A line ends with its newline; what follows the last
// newline is a line too. Feed it pieces until `done`; it keeps nothing of them. Not thread-safe.
class LogTail {
 public:
  // Of a log of `length` bytes; `lines` >= 1.
  LogTail(int64_t lines, int64_t length, LogStreams streams);

  bool done() const { return done_; }
  // Where the lines begin; valid once done.
  const LogPlace& start() const { return start_; }

  // The piece before this offset is to be fed next, as ReadLogPieceBefore gives it.
  int64_t unread() const { return unread_; }
  void Feed(const LogPiece& piece);

 private:
  void FeedPart(const LogPart& part);

  const LogStreams streams_;
  int64_t lines_left_;
  int64_t unread_;
  bool something_follows_ = false;  // behind what is fed next
  LogPlace start_;
  bool done_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOG_TAIL_H_
