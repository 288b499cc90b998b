#include "services/cli/table.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

// The blocks that matter for names of files; Unicode Standard Annex 11 has the whole.
constexpr Range kWide[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},  {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range kZero[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F},
                           {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};

template <size_t kSize>
bool In(const Range (&ranges)[kSize], uint32_t code_point) {
  return std::any_of(std::begin(ranges), std::end(ranges), [=](const Range& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

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

int WidthOf(CodePoint code_point) {
  if (In(kZero, code_point.value)) return 0;
  return In(kWide, code_point.value) ? 2 : 1;
}

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
    const CodePoint code_point = Decode(text);
    width += code_point.bytes == 0 ? 1 : WidthOf(code_point);
    text.remove_prefix(std::max<size_t>(1, code_point.bytes));
  }
  return width;
}

std::string Shorten(std::string_view text, int width) {
  if (TextWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  int used = 1;  // the ellipsis
  size_t end = 0;
  while (end < text.size()) {
    const CodePoint code_point = Decode(text.substr(end));
    const int more = code_point.bytes == 0 ? 1 : WidthOf(code_point);
    if (used + more > width) break;
    used += more;
    end += std::max<size_t>(1, code_point.bytes);
  }
  return StrCat(text.substr(0, end), "…");
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

void Table::PrintRow(std::ostream& out, const std::vector<Cell>& cells, const Style& style) const {
  std::string line;
  int used = 0;   // columns that `line` takes up
  int start = 0;  // where the next cell begins
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string text = cells[i].text;
    const bool last = i + 1 == columns_.size();
    if (last && style.width_max > start) text = Shorten(text, style.width_max - start);
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
}

}  // namespace closewrite::cli
