#include "services/cli/log_follow.h"

#include <algorithm>
#include <string>

#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

// What `--tail` holds in memory; longer tails lose their beginning.
constexpr size_t kTailBytesMax = 16 << 20;

// Where a reader of a log stands. The API has no offsets, so a reader that comes again gets the
// attempt from its start and drops what it has had.
class LogCursor {
 public:
  explicit LogCursor(int64_t token) : token_(token) {}

  int64_t token() const { return token_; }
  void Reopen() { skip_ = had_; }

  // The part of a piece that is new.
  std::string_view Advance(const v1::ReadLogResponse& piece) {
    std::string_view data = piece.data();
    if (piece.token() != token_) {
      token_ = piece.token();
      had_ = 0;
      skip_ = 0;
    }
    const size_t dropped = std::min(skip_, data.size());
    skip_ -= dropped;
    data.remove_prefix(dropped);
    had_ += data.size();
    return data;
  }

 private:
  int64_t token_;
  size_t had_ = 0;
  size_t skip_ = 0;
};

absl::Status Copy(Invocation& invocation, const LogOptions& options, LogCursor& cursor,
                  const std::function<bool(std::string_view)>& sink) {
  Client& client = invocation.client();
  return client.Follow<v1::ReadLogResponse>(
      invocation.deadline(),
      [&](grpc::ClientContext* context) {
        cursor.Reopen();
        v1::ReadLogRequest request;
        request.set_job_id(options.job_id);
        request.set_token(cursor.token());
        request.set_tail_lines(options.tail_lines);
        request.set_follow(options.follow);
        return client.jobs().ReadLog(context, request);
      },
      [&](const v1::ReadLogResponse& piece) {
        if (cursor.token() != 0 && piece.token() != cursor.token()) {
          invocation.Note(StrCat("here begins the next attempt of job ", options.job_id, " (token ",
                                 piece.token(), ")"));
        }
        const std::string_view data = cursor.Advance(piece);
        return data.empty() || sink(data);
      });
}

// The last `lines` lines; an unfinished last line counts.
std::string_view Tail(std::string_view text, int64_t lines) {
  size_t start = text.size();
  if (start > 0 && text.back() == '\n') --start;
  for (int64_t i = 0; i < lines; ++i) {
    const size_t newline = start == 0 ? std::string_view::npos : text.rfind('\n', start - 1);
    if (newline == std::string_view::npos) return text;
    start = newline;
  }
  return text.substr(start + 1);
}

// A tail that is followed is cut here and not by the coordinator: only who has read from the start
// knows where to go on after a restart.
absl::Status CopyTail(Invocation& invocation, LogOptions options, LogCursor& cursor,
                      std::ostream& to) {
  const int64_t lines = options.tail_lines;
  options.tail_lines = 0;
  options.follow = false;
  std::string text;
  absl::Status status = Copy(invocation, options, cursor, [&](std::string_view data) {
    text.append(data);
    if (text.size() > 2 * kTailBytesMax) text.erase(0, text.size() - kTailBytesMax);
    return true;
  });
  to << Tail(text, lines) << std::flush;
  return status;
}

}  // namespace

absl::Status CopyLog(Invocation& invocation, const LogOptions& options, std::ostream& to) {
  LogCursor cursor(options.token);
  LogOptions rest = options;
  if (options.follow && options.tail_lines > 0) {
    const absl::Status status = CopyTail(invocation, options, cursor, to);
    // A job that has not been started has no log yet.
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    rest.tail_lines = 0;
  }
  return Copy(invocation, rest, cursor, [&](std::string_view data) {
    to << data << std::flush;
    return to.good();
  });
}

}  // namespace closewrite::cli
