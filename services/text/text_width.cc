#include "services/text/text_width.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/text/code_point_width.h"

namespace closewrite {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: what stands there is not UTF-8
};

CodePoint Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  uint32_t value = lead & (0xFF >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kFirst[] = {0, 0, 0x80, 0x800, 0x10000};  // shorter forms are not UTF-8
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kFirst[bytes] || value > 0x10FFFF || surrogate) return {};
  return {value, bytes};
}

constexpr uint32_t kJoiner = 0x200D;         // glues two emoji into one
constexpr uint32_t kEmojiSelector = 0xFE0F;  // makes an emoji of a narrow symbol
constexpr uint32_t kSymbolsBegin = 0x2000;   // of those
bool IsSkinTone(uint32_t code_point) { return code_point >= 0x1F3FB && code_point <= 0x1F3FF; }

// What a terminal shows as one character.
struct Cluster {
  size_t bytes = 0;
  int width = 0;
};

// The first of `text`, which is not empty. A byte that is not UTF-8 is one of its own.
Cluster FirstCluster(std::string_view text) {
  const CodePoint base = Decode(text);
  if (base.bytes == 0) return {1, 1};
  Cluster cluster = {base.bytes, CodePointWidth(base.value)};
  bool joined = false;
  while (cluster.bytes < text.size()) {
    const CodePoint next = Decode(text.substr(cluster.bytes));
    if (next.bytes == 0) break;
    const bool belongs = CodePointWidth(next.value) == 0 ||
                         (cluster.width == 2 && (joined || IsSkinTone(next.value)));
    if (!belongs) break;
    if (next.value == kEmojiSelector && base.value >= kSymbolsBegin) cluster.width = 2;
    joined = next.value == kJoiner;
    cluster.bytes += next.bytes;
  }
  return cluster;
}

}  // namespace

int TextWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Cluster cluster = FirstCluster(text);
    width += cluster.width;
    text.remove_prefix(cluster.bytes);
  }
  return width;
}

std::string Shorten(std::string_view text, int width) {
  if (TextWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  int used = 1;  // the ellipsis
  size_t end = 0;
  while (end < text.size()) {
    const Cluster cluster = FirstCluster(text.substr(end));
    if (used + cluster.width > width) break;
    used += cluster.width;
    end += cluster.bytes;
  }
  return StrCat(text.substr(0, end), "…");
}

std::vector<std::string> Wrap(std::string_view text, int width) {
  std::vector<std::string> lines;
  std::string line;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty())) {
    const int taken = line.empty() ? 0 : TextWidth(line) + 1;
    if (!line.empty() && taken + TextWidth(ToStd(word)) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    StrAppend(&line, line.empty() ? "" : " ", Shorten(ToStd(word), width));
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string Printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const CodePoint code_point = Decode(text);
    const bool control =
        code_point.value < 0x20 || (code_point.value >= 0x7F && code_point.value < 0xA0);
    const size_t bytes = std::max<size_t>(1, code_point.bytes);
    if (code_point.bytes != 0 && !control) {
      result.append(text.substr(0, bytes));
    } else {
      for (const char byte : text.substr(0, bytes)) {
        absl::StrAppendFormat(&result, "\\x%02x", static_cast<uint8_t>(byte));
      }
    }
    text.remove_prefix(bytes);
  }
  return result;
}

}  // namespace closewrite
