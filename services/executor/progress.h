// Progress that commands report by printing a line.
#ifndef SERVICES_EXECUTOR_PROGRESS_H_
#define SERVICES_EXECUTOR_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace closewrite::executor {

inline constexpr size_t kProgressLineBytesMax = 256;
inline constexpr size_t kProgressUnitBytesMax = 32;

struct ReportedProgress {
  int64_t done = 0;
  int64_t total = 0;  // 0: unknown
  std::string unit;   // printable ASCII; may be empty
  bool operator==(const ReportedProgress&) const = default;
};

// Finds `::closewrite progress 40 100 rows` and `::closewrite progress 40/100 rows` (total and unit
// may be left out) in a command's output, which comes in pieces of any size. A line starts at its
// first byte and ends with \n or \r. Lines that look otherwise are nobody's business here. Not
// thread-safe.
class ProgressReader {
 public:
  // Returns the newest progress that was completed by these bytes.
  std::optional<ReportedProgress> Feed(std::string_view bytes);

 private:
  std::string line_;       // the unfinished line so far, at most kProgressLineBytesMax
  bool skipping_ = false;  // it is too long to be ours
};

// Parses one line without its end.
std::optional<ReportedProgress> ParseProgress(std::string_view line);

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_PROGRESS_H_
