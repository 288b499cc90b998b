// Progress that commands print: found in whatever pieces it comes, and nothing else is.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "services/executor/progress.h"
#include "services/log/str_cat.h"
#include "tests/fuzz/require.h"

namespace closewrite::executor {
namespace {

void CheckOne(const ReportedProgress& progress) {
  Require(progress.done >= 0 && progress.total >= 0, "nothing is less than nothing");
  Require(progress.unit.size() <= kProgressUnitBytesMax, "a unit is short");
  for (const char c : progress.unit) Require(c > ' ' && c <= '~', "a unit is one word");
  const std::string words = StrCat(progress.done, "/", progress.total, " ", progress.unit);
  const auto again = ParseProgress(StrCat("::closewrite progress ", words));
  Require(again == progress, "progress can be written", words);
}

// The newest of all lines, read at once.
std::optional<ReportedProgress> Newest(std::string_view text) {
  std::optional<ReportedProgress> newest;
  size_t begin = 0;
  for (size_t end = 0; end < text.size(); ++end) {
    if (text[end] != '\n' && text[end] != '\r') continue;
    const std::string_view line = text.substr(begin, end - begin);
    if (line.size() <= kProgressLineBytesMax) {
      if (const auto progress = ParseProgress(line)) newest = progress;
    }
    begin = end + 1;
  }
  return newest;
}

}  // namespace
}  // namespace closewrite::executor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace executor = closewrite::executor;
  FuzzedDataProvider input(data, size);
  const size_t piece_max = input.ConsumeIntegralInRange<size_t>(1, 300);
  const std::string text = input.ConsumeRemainingBytesAsString();
  executor::ProgressReader reader;
  std::optional<executor::ReportedProgress> newest;
  for (size_t at = 0; at < text.size(); at += piece_max) {
    const std::string_view piece = std::string_view(text).substr(at, piece_max);
    if (auto progress = reader.Feed(piece)) newest = progress;
  }
  closewrite::Require(newest == executor::Newest(text), "pieces make no difference", text);
  if (newest.has_value()) executor::CheckOne(*newest);
  return 0;
}
