#include "services/portal/html_rows.h"

#include "absl/strings/str_split.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"

namespace closewrite::portal {

void HtmlRows::Add(const std::vector<std::string>& cells) {
  StrAppend(&rows_, "<tr>");
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string heading = HtmlText(headings_[i]);
    // On a narrow page heading and content stand side by side: the content must be one thing.
    const std::string cell = cells[i].empty() ? "" : StrCat("<div>", cells[i], "</div>");
    if (i == 0) {
      StrAppend(&rows_, "<th scope=\"row\" data-heading=\"", heading, "\">", cell, "</th>");
    } else {
      StrAppend(&rows_, "<td data-heading=\"", heading, "\">", cell, "</td>");
    }
  }
  StrAppend(&rows_, "</tr>\n");
}

std::string HtmlRows::Draw() const {
  std::string html = StrCat("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
                            HtmlText(caption_), "\">\n<table class=\"rows\">\n<caption>",
                            HtmlText(caption_), "</caption>\n<thead><tr>");
  for (const std::string& heading : headings_) {
    if (heading.empty()) {
      StrAppend(&html, "<td></td>");  // of buttons
    } else {
      StrAppend(&html, "<th scope=\"col\">", HtmlText(heading), "</th>");
    }
  }
  return StrCat(html, "</tr></thead>\n<tbody>\n", rows_, "</tbody>\n</table>\n</div>\n");
}

std::string LinesHtml(const std::string& text) {
  std::string html;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    StrAppend(&html, html.empty() ? "" : "\n", HtmlText(ToStd(line)));
  }
  return html;
}

}  // namespace closewrite::portal
