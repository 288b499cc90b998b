#include "services/executor/progress.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

constexpr std::string_view kPrefix = "::closewrite progress ";

// Leaves `count` alone when it is none.
bool ParseCount(std::string_view text, int64_t* count) {
  int64_t parsed = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &parsed) || parsed < 0) return false;
  *count = parsed;
  return true;
}

}  // namespace

std::optional<ReportedProgress> ParseProgress(std::string_view line) {
  if (line.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  line.remove_prefix(kPrefix.size());
  std::vector<std::string_view> words;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(line), ' ', absl::SkipEmpty())) {
    words.push_back(ToStd(word));
  }
  if (words.empty()) return std::nullopt;
  ReportedProgress progress;
  size_t next = 1;
  if (const size_t slash = words[0].find('/'); slash != std::string_view::npos) {
    if (!ParseCount(words[0].substr(0, slash), &progress.done) ||
        !ParseCount(words[0].substr(slash + 1), &progress.total)) {
      return std::nullopt;
    }
  } else {
    if (!ParseCount(words[0], &progress.done)) return std::nullopt;
    if (words.size() > next && ParseCount(words[next], &progress.total)) ++next;
  }
  if (words.size() > next) {
    const std::string_view unit = words[next];
    if (unit.size() > kProgressUnitBytesMax || words.size() > next + 1) return std::nullopt;
    if (!std::all_of(unit.begin(), unit.end(), absl::ascii_isprint)) return std::nullopt;
    progress.unit = unit;
  }
  return progress;
}

std::optional<ReportedProgress> ProgressReader::Feed(std::string_view bytes) {
  std::optional<ReportedProgress> newest;
  while (!bytes.empty()) {
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > kProgressLineBytesMax) {
      skipping_ = true;
      line_.clear();
    } else if (!skipping_) {
      line_.append(piece);
    }
    if (end == std::string_view::npos) break;
    if (!skipping_) {
      if (auto progress = ParseProgress(line_)) newest = std::move(progress);
    }
    line_.clear();
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
  return newest;
}

}  // namespace closewrite::executor
