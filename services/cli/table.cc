#include "services/cli/table.h"

#include <algorithm>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

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
