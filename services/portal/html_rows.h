// Tables whose cells are HTML already.
#ifndef SERVICES_PORTAL_HTML_ROWS_H_
#define SERVICES_PORTAL_HTML_ROWS_H_

#include <string>
#include <utility>
#include <vector>

namespace closewrite::portal {

// Each cell knows the heading of its column, by which it is named where a page is too narrow for
// columns. The first one names the row.
class HtmlRows {
 public:
  HtmlRows(std::string caption, std::vector<std::string> headings)
      : caption_(std::move(caption)), headings_(std::move(headings)) {}

  void Add(const std::vector<std::string>& cells);
  std::string Draw() const;

 private:
  const std::string caption_;
  const std::vector<std::string> headings_;
  std::string rows_;
};

// Text in lines, escaped, for <pre>.
std::string LinesHtml(const std::string& text);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_HTML_ROWS_H_
