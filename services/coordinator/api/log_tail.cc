#include "services/coordinator/api/log_tail.h"

#include <algorithm>

namespace closewrite {

LogTail::LogTail(int64_t lines, int64_t length, int64_t piece_bytes_max)
    : length_(length),
      piece_bytes_max_(piece_bytes_max),
      lines_left_(lines),
      unread_(length),
      done_(length == 0) {}

int64_t LogTail::piece_offset() const { return std::max<int64_t>(0, unread_ - piece_bytes_max_); }

void LogTail::Feed(std::string_view piece) {
  const int64_t offset = unread_ - static_cast<int64_t>(piece.size());
  for (int64_t i = static_cast<int64_t>(piece.size()) - 1; i >= 0; --i) {
    // A newline at the very end belongs to the last line.
    const bool begins_line = piece[i] == '\n' && offset + i + 1 < length_;
    if (!begins_line || --lines_left_ > 0) continue;
    start_ = offset + i + 1;
    done_ = true;
    return;
  }
  unread_ = offset;
  done_ = unread_ <= 0 || piece.empty();
}

}  // namespace closewrite
