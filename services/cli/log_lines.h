// The lines of a log, out of parts that need not be whole lines.
#ifndef SERVICES_CLI_LOG_LINES_H_
#define SERVICES_CLI_LOG_LINES_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"

namespace closewrite::cli {

// A longer line comes in pieces of so many bytes, so that no line takes more memory.
inline constexpr size_t kLogLineBytesMax = 1 << 20;

struct LogLine {
  std::optional<absl::Time> time;  // when its first byte came, where it is known
  v1::LogStream stream = v1::LOG_STREAM_UNSPECIFIED;
  std::string text;   // without its newline
  bool whole = true;  // false: the next line of this stream goes on with it
};

// Lines of both streams may interleave; each is handed over when its end has come. Not thread-safe.
class LogLines {
 public:
  // Returns false when it wants no more.
  using Sink = std::function<bool(const LogLine&)>;

  explicit LogLines(Sink sink) : sink_(std::move(sink)) {}

  // False once the sink wants no more.
  bool Add(const v1::LogPart& part);
  // Hands over what has no end: no more of it comes.
  bool End();

 private:
  bool Emit(LogLine* line, bool whole);

  const Sink sink_;
  std::map<v1::LogStream, LogLine> open_;  // begun lines by stream; those of no bytes are not there
};

// The bytes of a part, whichever way it has them.
const std::string& BytesOf(const v1::LogPart& part);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_LOG_LINES_H_
