// Finds where the last lines of a log begin, reading it backwards in pieces.
#ifndef SERVICES_COORDINATOR_API_LOG_TAIL_H_
#define SERVICES_COORDINATOR_API_LOG_TAIL_H_

#include <cstdint>
#include <string_view>

namespace closewrite {

// A line ends with its newline; what follows the last newline is a line too. Feed it pieces until
// `done`. Not thread-safe.
class LogTail {
 public:
  // Of a log of `length` bytes; `lines` >= 1. Pieces have at most `piece_bytes_max`.
  LogTail(int64_t lines, int64_t length, int64_t piece_bytes_max);

  bool done() const { return done_; }
  // Where the lines begin; valid once done.
  int64_t start() const { return start_; }

  // The piece to be fed next.
  int64_t piece_offset() const;
  int64_t piece_size() const { return unread_ - piece_offset(); }
  void Feed(std::string_view piece);

 private:
  const int64_t length_;
  const int64_t piece_bytes_max_;
  int64_t lines_left_;
  int64_t unread_;  // bytes before what was fed
  int64_t start_ = 0;
  bool done_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOG_TAIL_H_
