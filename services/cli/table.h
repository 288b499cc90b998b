// Tables of text for people.
#ifndef SERVICES_CLI_TABLE_H_
#define SERVICES_CLI_TABLE_H_

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "services/text/text_width.h"

namespace closewrite::cli {

enum class Color { kNone, kRed, kGreen, kYellow, kCyan, kDim };

// `text` between the escape sequences of `color` (ECMA-48, SGR); as it is for kNone.
std::string Paint(std::string_view text, Color color);

struct Column {
  std::string heading;
  bool right = false;  // numbers
  int width_min = 0;   // for tables that grow while they are read
  bool wraps = false;  // of the last one: what does not fit goes on below instead of being cut
};

struct Cell {
  Cell(std::string text, Color color = Color::kNone)  // NOLINT: meant to be implicit
      : text(std::move(text)), color(color) {}
  std::string text;
  Color color;
};

// How tables look on one output.
struct Style {
  bool color = false;
  int width_max = 0;  // the last column is cut or wrapped to fit; 0: never
};

// Collects rows and prints them under headings, two blanks between columns, none at a line's end.
// Cells are made Printable.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // `cells` may be shorter than the columns.
  void Add(std::vector<Cell> cells);

  // Prints what was added since the last call, and the headings before the first. Columns only
  // grow.
  void Print(std::ostream& out, const Style& style);

 private:
  void PrintRow(std::ostream& out, const std::vector<Cell>& cells, const Style& style) const;
  // What a last cell that begins at `start` is shown as.
  std::vector<std::string> LastCell(const Cell& cell, int start, const Style& style,
                                    int* indent) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;  // not printed yet
  bool headed_ = false;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TABLE_H_
