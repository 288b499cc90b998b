#include "services/cli/table.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "services/cli/code_point_width.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
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

// A wrapped column that would be narrower begins on a line of its own, so far from the left.
constexpr int kWrappedWidthMin = 30;
constexpr int kWrappedIndent = 4;

}  // namespace

std::string Paint(std::string_view text, Color color) {
  switch (color) {
    case Color::kNone:
      return std::string(text);
    case Color::kRed:
      return StrCat("\x1b[31m", text, "\x1b[0m");
    case Color::kGreen:
      return StrCat("\x1b[32m", text, "\x1b[0m");
    case Color::kYellow:
      return StrCat("\x1b[33m", text, "\x1b[0m");
    case Color::kCyan:
      return StrCat("\x1b[36m", text, "\x1b[0m");
    case Color::kDim:
      return StrCat("\x1b[2m", text, "\x1b[0m");
  }
  return std::string(text);
}

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

void Table::Add(std::vector<Cell> cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i].text = Printable(cells[i].text);
    columns_[i].width_min = std::max(columns_[i].width_min, TextWidth(cells[i].text));
  }
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out, const Style& style) {
  if (!headed_) {
    headed_ = true;
    std::vector<Cell> headings;
    for (Column& column : columns_) {
      column.width_min = std::max(column.width_min, TextWidth(column.heading));
      headings.emplace_back(column.heading);
    }
    PrintRow(out, headings, style);
  }
  for (const auto& row : rows_) PrintRow(out, row, style);
  rows_.clear();
}

std::vector<std::string> Table::LastCell(const Cell& cell, int start, const Style& style,
                                         int* indent) const {
  *indent = start;
  const int room = style.width_max - start;
  if (style.width_max == 0 || TextWidth(cell.text) <= room) return {cell.text};
  if (!columns_.back().wraps) return {room > 0 ? Shorten(cell.text, room) : cell.text};
  if (room >= kWrappedWidthMin) return Wrap(cell.text, room);
  std::vector<std::string> lines = Wrap(cell.text, style.width_max - kWrappedIndent);
  *indent = kWrappedIndent;
  lines.insert(lines.begin(), "");
  return lines;
}

void Table::PrintRow(std::ostream& out, const std::vector<Cell>& cells, const Style& style) const {
  std::string line;
  int used = 0;   // columns that `line` takes up
  int start = 0;  // where the next cell begins
  int indent = 0;
  std::vector<std::string> below;
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string text = cells[i].text;
    if (i + 1 == columns_.size()) {
      below = LastCell(cells[i], start, style, &indent);
      text = below.empty() ? "" : below.front();
    }
    const int width = TextWidth(text);
    if (width > 0) {
      const int indent = columns_[i].right ? columns_[i].width_min - width : 0;
      line.append(start + indent - used, ' ');
      used = start + indent + width;
      StrAppend(&line, style.color ? Paint(text, cells[i].color) : text);
    }
    start += columns_[i].width_min + 2;
  }
  out << line << "\n";
  for (size_t i = 1; i < below.size(); ++i) {
    out << std::string(indent, ' ')
        << (style.color ? Paint(below[i], cells.back().color) : below[i]) << "\n";
  }
}

}  // namespace closewrite::cli
