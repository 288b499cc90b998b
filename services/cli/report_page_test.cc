// What pages of reports are made of. To look at them:
//
//   CLOSEWRITE_REPORT_PAGES=/tmp bazel-bin/services/cli/report_page_test
#include "services/cli/report_page.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "services/cli/report_sample.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

struct Tag {
  std::string name;
  std::string attributes;
  bool closes = false;
  bool alone = false;
};

// All tags in their order. What is between < and > has no quoted > here, since that is escaped.
std::vector<Tag> Tags(const std::string& html) {
  std::vector<Tag> tags;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    EXPECT_NE(end, std::string::npos);
    std::string inside = html.substr(at + 1, end - at - 1);
    Tag tag;
    tag.closes = absl::StartsWith(inside, "/");
    tag.alone = absl::EndsWith(inside, "/") || absl::StartsWith(inside, "!");
    if (tag.closes) inside.erase(0, 1);
    const size_t name_end = inside.find_first_of(" /");
    tag.name = inside.substr(0, name_end);
    if (name_end != std::string::npos) tag.attributes = inside.substr(name_end);
    tags.push_back(tag);
  }
  return tags;
}

// Everything that opens closes, in order, and nothing but these elements is there.
void ExpectWellFormed(const std::string& html) {
  static const std::set<std::string>* const known = new std::set<std::string>{
      "!DOCTYPE", "html",    "head", "meta",    "link",   "title",   "style",   "body",  "header",
      "h1",       "h2",      "h3",   "p",       "main",   "dl",      "dt",      "dd",    "div",
      "small",    "section", "ul",   "li",      "i",      "svg",     "desc",    "g",     "rect",
      "line",     "text",    "path", "polygon", "circle", "details", "summary", "table", "caption",
      "thead",    "tbody",   "tr",   "th",      "td",     "footer"};
  static const std::set<std::string>* const empty = new std::set<std::string>{"meta", "link"};
  std::vector<std::string> open;
  for (const Tag& tag : Tags(html)) {
    ASSERT_TRUE(known->count(tag.name)) << tag.name << tag.attributes;
    ASSERT_FALSE(absl::StrContains(tag.attributes, " on")) << tag.name << tag.attributes;
    if (tag.alone || empty->count(tag.name)) continue;
    if (!tag.closes) {
      open.push_back(tag.name);
    } else {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), tag.name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

void ExpectIdsAreUnique(const std::string& html) {
  std::set<std::string> ids;
  for (size_t at = html.find(" id=\""); at != std::string::npos; at = html.find(" id=\"", at + 1)) {
    const std::string id = html.substr(at + 5, html.find('"', at + 5) - at - 5);
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
  // What names something names something that is there.
  const std::string by = " aria-labelledby=\"";
  for (size_t at = html.find(by); at != std::string::npos; at = html.find(by, at + 1)) {
    const size_t begin = at + by.size();
    std::string names = html.substr(begin, html.find('"', begin) - begin);
    names = names.substr(0, names.find(' '));
    EXPECT_EQ(ids.count(names), 1u) << names;
  }
}

void ExpectNoNonsense(const std::string& html) {
  for (const char* wrong : {"nan", "inf", "NaN", "=\"-", "e+"}) {
    const size_t at = html.find(StrCat("\"", wrong));
    EXPECT_EQ(at, std::string::npos) << html.substr(at, 60);
  }
  EXPECT_TRUE(IsUtf8(html));
}

void KeepForLooking(const std::string& name, const std::string& html) {
  const char* const folder = std::getenv("CLOSEWRITE_REPORT_PAGES");
  if (folder != nullptr) std::ofstream(StrCat(folder, "/", name, ".html")) << html;
}

class ReportPageTest : public testing::TestWithParam<const char*> {
 protected:
  static std::string Draw() {
    const std::string name = GetParam();
    const std::string html = DrawReportPage(name == "sample"  ? SampleReportPage()
                                            : name == "empty" ? EmptyReportPage()
                                                              : HostileReportPage());
    KeepForLooking(name, html);
    return html;
  }
};

TEST_P(ReportPageTest, IsWellFormedAndSelfContained) {
  const std::string html = Draw();
  ExpectWellFormed(html);
  ExpectIdsAreUnique(html);
  ExpectNoNonsense(html);
  for (const char* fetches : {"http:", "https:", "src=", "url(", "@import", "<script", "<image"}) {
    const size_t at = html.find(fetches);
    // The source of the colours, in a comment of ours, would be one; there is none in the page.
    EXPECT_EQ(at, std::string::npos) << html.substr(at, 60);
  }
  EXPECT_EQ(Count(html, "href="), 1u);
  EXPECT_EQ(Count(html, "href=\"data:,\""), 1u);
}

TEST_P(ReportPageTest, EveryPanelHasSomething) {
  const std::string html = Draw();
  for (const char* id : {"throughput", "duration", "total", "failures", "latest", "pipelines",
                         "increments", "records", "executors"}) {
    const size_t begin = html.find(StrCat("aria-labelledby=\"", id, "\""));
    ASSERT_NE(begin, std::string::npos) << id;
    const std::string panel = html.substr(begin, html.find("</section>", begin) - begin);
    EXPECT_TRUE(absl::StrContains(panel, "<svg") || absl::StrContains(panel, "<table") ||
                absl::StrContains(panel, "class=\"nothing\""))
        << panel;
  }
}

TEST_P(ReportPageTest, ChartsHaveTextsUnitsAndMarks) {
  const std::string html = Draw();
  size_t charts = 0;
  for (size_t at = html.find("<svg"); at != std::string::npos; at = html.find("<svg", at + 1)) {
    ++charts;
    const std::string svg = html.substr(at, html.find("</svg>", at) - at);
    EXPECT_EQ(Count(svg, "<desc"), 1u) << svg;
    EXPECT_GE(Count(svg, "class=\"unit\""), 1u) << svg;
    EXPECT_GE(Count(svg, "mark"), 1u) << svg;
    EXPECT_GE(Count(svg, "class=\"tick\""), 2u) << svg;
  }
  EXPECT_EQ(charts == 0, std::string(GetParam()) == "empty");
}

INSTANTIATE_TEST_SUITE_P(All, ReportPageTest, testing::Values("sample", "empty", "hostile"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ReportPageWordsTest, SaysWhatThereIs) {
  const std::string html = DrawReportPage(SampleReportPage());
  for (const char* part :
       {"2026-11-19 10:00 to 2026-11-26 10:17:31 UTC", "Coordinator vm-a:7400", "invoices-to-text",
        "task/sales-load", "sales by sales-load", "vm-e-1", "gone", "3 of 4",
        "exit code 7: the API answered 503", "unenriched:2026/11/26/orders-00.csv",
        "jobs per 2 hours", "20 Nov", "closewrite 0.1.0"}) {
    EXPECT_TRUE(absl::StrContains(html, part)) << part;
  }
  EXPECT_FALSE(absl::StrContains(html, "class=\"warning\""));
}

TEST(ReportPageWordsTest, SaysInWordsWhatThereIsNot) {
  const std::string html = DrawReportPage(EmptyReportPage());
  for (const char* part :
       {"No job came to its end in this period.", "No job failed in this period.",
        "No load was logged in this period.", "None is here now"}) {
    EXPECT_TRUE(absl::StrContains(html, part)) << part;
  }
}

TEST(ReportPageWordsTest, SaysWhatIsMissing) {
  const std::string html = DrawReportPage(HostileReportPage());
  EXPECT_EQ(Count(html, "class=\"warning\""), 2u);
  EXPECT_TRUE(absl::StrContains(html, "those that ended before 2026-11-19 11:00 UTC are missing"));
}

TEST(ReportPageWordsTest, SumsUpWhatIsNotListed) {
  ReportPage page = SampleReportPage();
  page.report.mutable_rest()->set_pipelines(1234);
  page.report.mutable_rest()->mutable_jobs()->set_failed(77);
  page.report.mutable_rest()->set_executors(5);
  const std::string html = DrawReportPage(page);
  EXPECT_TRUE(absl::StrContains(html, "(1,234 others)</th><td class=\"number\">77</td>"));
  EXPECT_TRUE(absl::StrContains(html, "5 more had jobs."));
}

TEST(HtmlTextTest, StandsForNothingButItself) {
  const struct {
    std::string text;
    std::string html;
  } cases[] = {
      {"", ""},
      {"plain, naïve 文件", "plain, naïve 文件"},
      {"<a href=\"x\">&'", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"},
      {"&amp;", "&amp;amp;"},
      {"\xff<\xc3", "\\xff&lt;\\xc3"},
      {std::string("\0\n\x7f\xc2\x80", 5), "\\x00\\x0a\\x7f\\xc2\\x80"},
      {"\u202egnp.exe", "\\u202egnp.exe"},
      {"a\u2066b\u2069", "a\\u2066b\\u2069"},
  };
  for (const auto& each : cases) EXPECT_EQ(HtmlText(each.text), each.html);
}

}  // namespace
}  // namespace closewrite::cli
