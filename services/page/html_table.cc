#include "services/page/html_table.h"

#include "services/log/str_cat.h"
#include "services/page/html_text.h"

namespace closewrite {
namespace {

std::string_view ClassOf(const HtmlColumn& column) {
  switch (column.cells) {
    case HtmlCells::kPlain:
      return "";
    case HtmlCells::kNumber:
      return " class=\"number\"";
    case HtmlCells::kName:
      return " class=\"name\"";
    case HtmlCells::kText:
      return " class=\"text\"";
  }
  return "";
}

}  // namespace

void HtmlTable::Add(const std::vector<std::string>& cells) {
  StrAppend(&rows_, "<tr>");
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string_view tag = i == 0 ? "th" : "td";
    StrAppend(&rows_, "<", tag, i == 0 ? " scope=\"row\"" : "", ClassOf(columns_[i]), ">",
              HtmlText(cells[i]), "</", tag, ">");
  }
  StrAppend(&rows_, "</tr>\n");
}

std::string HtmlTable::Draw() const {
  // Who has no pointer scrolls it by keys, so it takes the focus.
  std::string html = StrCat("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
                            HtmlText(caption_), "\">\n<table>\n<caption>", HtmlText(caption_),
                            "</caption>\n<thead><tr>");
  for (const HtmlColumn& column : columns_) {
    StrAppend(&html, "<th scope=\"col\"", ClassOf(column), ">", HtmlText(column.heading), "</th>");
  }
  return StrCat(html, "</tr></thead>\n<tbody>\n", rows_, "</tbody>\n</table>\n</div>\n");
}

std::string HtmlTable::DrawClosed() const {
  return StrCat("<details><summary>The numbers</summary>\n", Draw(), "</details>\n");
}

}  // namespace closewrite
