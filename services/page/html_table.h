// Tables in pages.
#ifndef SERVICES_PAGE_HTML_TABLE_H_
#define SERVICES_PAGE_HTML_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace closewrite {

enum class HtmlCells {
  kPlain,   // short, in one line
  kNumber,  // to the right
  kName,    // may be broken, where it is very long
  kText,    // sentences and paths, broken where they must
};

struct HtmlColumn {
  std::string heading;
  HtmlCells cells = HtmlCells::kPlain;
};

// Collects rows, and draws them in a frame that scrolls sideways where the page is narrow. All
// texts are escaped here.
class HtmlTable {
 public:
  // `caption` says what it is, for people who come to it without the rest of the page.
  HtmlTable(std::string caption, std::vector<HtmlColumn> columns)
      : caption_(std::move(caption)), columns_(std::move(columns)) {}

  // One cell a column; the first one names the row.
  void Add(const std::vector<std::string>& cells);

  std::string Draw() const;
  // Closed under a line that opens it.
  std::string DrawClosed() const;

 private:
  const std::string caption_;
  const std::vector<HtmlColumn> columns_;
  std::string rows_;
};

}  // namespace closewrite

#endif  // SERVICES_PAGE_HTML_TABLE_H_
