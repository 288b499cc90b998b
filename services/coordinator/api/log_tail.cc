#include "services/coordinator/api/log_tail.h"

namespace closewrite {

LogTail::LogTail(int64_t lines, int64_t length, LogStreams streams)
    : streams_(streams), lines_left_(lines), unread_(length), done_(length == 0) {}

void LogTail::Feed(const LogPiece& piece) {
  for (auto part = piece.parts.rbegin(); part != piece.parts.rend() && !done_; ++part) {
    if (streams_.Has(part->stream)) FeedPart(*part);
  }
  if (done_) return;
  done_ = piece.end <= 0 || piece.end >= unread_;
  unread_ = piece.end;
}

void LogTail::FeedPart(const LogPart& part) {
  for (int64_t i = static_cast<int64_t>(part.bytes.size()) - 1; i >= 0; --i) {
    // A newline at the very end belongs to the last line.
    const bool begins_line = part.bytes[static_cast<size_t>(i)] == '\n' && something_follows_;
    something_follows_ = true;
    if (!begins_line || --lines_left_ > 0) continue;
    start_ = {part.offset, i + 1};
    done_ = true;
    return;
  }
}

}  // namespace closewrite
