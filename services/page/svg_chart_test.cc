#include "services/page/svg_chart.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The value of an attribute of the first element that has `part`.
double Attribute(const std::string& svg, const std::string& part, const std::string& name) {
  const size_t element = svg.find(part);
  EXPECT_NE(element, std::string::npos) << part;
  const std::string before = StrCat(" ", name, "=\"");
  return std::stod(svg.substr(svg.find(before, element) + before.size()));
}

TimeChart Chart(ChartKind kind, std::vector<std::vector<double>> values) {
  TimeChart chart;
  chart.names = {"a", "Title", "Description"};
  chart.kind = kind;
  chart.begin = absl::FromUnixSeconds(1'795'651'200);  // 2026-11-26 00:00 UTC
  chart.bucket = absl::Hours(6);
  chart.axis = {.unit = "jobs per 6 hours", .ticks = {{0, "0"}, {5, "5"}, {10, "10"}}};
  const std::vector<std::string> classes = {"ok", "bad"};
  for (size_t i = 0; i < values.size(); ++i) {
    chart.series.push_back({classes[i], classes[i], values[i]});
  }
  for (size_t i = 0; i < values[0].size(); ++i) chart.notes.push_back(StrCat("note <", i, ">"));
  return chart;
}

TEST(SvgChartTest, HasTextsForWhoCanNotSeeIt) {
  TimeChart chart = Chart(ChartKind::kStackedBars, {{1, 2, 3, 4}});
  chart.names.title = "<b>";
  const std::string svg = DrawTimeChart(chart, {400, 200});
  EXPECT_TRUE(absl::StrContains(svg, "aria-labelledby=\"a-title a-desc\"")) << svg;
  EXPECT_TRUE(absl::StrContains(svg, "<title id=\"a-title\">&lt;b&gt;</title>"));
  EXPECT_TRUE(absl::StrContains(svg, "<desc id=\"a-desc\">Description</desc>"));
  EXPECT_TRUE(absl::StrContains(svg, "<title>note &lt;2&gt;</title>"));
  EXPECT_TRUE(absl::StrContains(svg, ">jobs per 6 hours</text>"));
  EXPECT_TRUE(absl::StrContains(svg, ">time, UTC</text>"));
  EXPECT_TRUE(absl::StrContains(svg, ">12:00</text>"));
}

TEST(SvgChartTest, BarsStandOnEachOther) {
  const std::string svg =
      DrawTimeChart(Chart(ChartKind::kStackedBars, {{10, 0, 5, 1e-9}, {0, 0, 5, 0}}), {400, 200});
  EXPECT_EQ(Count(svg, "class=\"bar ok\""), 3u);
  EXPECT_EQ(Count(svg, "class=\"bar bad\""), 1u);
  EXPECT_EQ(Count(svg, "<g class=\"mark\">"), 3u);  // none for a bucket that has nothing
  const double whole = Attribute(svg, "class=\"bar ok\"", "height");
  const double upper = Attribute(svg, "class=\"bar bad\"", "height");
  EXPECT_NEAR(upper, whole / 2, 0.1);
  EXPECT_NEAR(Attribute(svg, "class=\"bar bad\"", "y"), Attribute(svg, "class=\"bar ok\"", "y"),
              0.1);
  // What is there is seen.
  EXPECT_TRUE(absl::StrContains(svg, "height=\"2\"")) << svg;
}

TEST(SvgChartTest, LinesStopWhereThereIsNothing) {
  const std::string svg =
      DrawTimeChart(Chart(ChartKind::kLines, {{1, 2, kNone, 4}, {2, 3, kNone, 5}}), {400, 200});
  EXPECT_EQ(Count(svg, "M"), 4u) << svg;  // two of each line
  EXPECT_EQ(Count(svg, "class=\"dot ok\""), 3u);
  EXPECT_EQ(Count(svg, "class=\"band ok\""), 1u);
  EXPECT_EQ(Count(svg, "r=\"4\""), 2u);  // those alone
  EXPECT_EQ(Count(svg, "<g class=\"over\">"), 3u);
}

TEST(SvgChartTest, StepsHold) {
  const std::string svg =
      DrawTimeChart(Chart(ChartKind::kSteps, {{kNone, 2, kNone, 4, kNone}}), {400, 200});
  const size_t path = svg.find(" d=\"M");
  ASSERT_NE(path, std::string::npos) << svg;
  const std::string drawn = svg.substr(path, svg.find('"', path + 4) - path);
  EXPECT_EQ(Count(drawn, "M"), 1u);
  EXPECT_EQ(Count(drawn, "H"), 2u) << drawn;  // to the next value, and to the end
  EXPECT_EQ(Count(drawn, "V"), 1u);
}

TEST(SvgChartTest, LogarithmsMakeEqualFactorsEquallyFar) {
  TimeChart chart = Chart(ChartKind::kLines, {{1, 10, 100}});
  chart.axis = {.unit = "s", .ticks = {{1, "1"}, {100, "100"}}, .logarithmic = true};
  const std::string svg = DrawTimeChart(chart, {400, 200});
  std::vector<double> heights;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) {
    heights.push_back(Attribute(svg.substr(at), "<circle", "cy"));
  }
  ASSERT_EQ(heights.size(), 3u);
  EXPECT_NEAR(heights[0] - heights[1], heights[1] - heights[2], 0.2);
}

TEST(SvgChartTest, NothingIsNoChart) {
  EXPECT_EQ(DrawTimeChart(Chart(ChartKind::kLines, {{kNone, kNone}}), {400, 200}), "");
  EXPECT_EQ(DrawRowChart({}, 400), "");
}

TEST(SvgChartTest, RowsHaveNamesAndParts) {
  RowChart chart{{"a", "Title", "Description"},
                 {.unit = "jobs", .ticks = {{0, "0"}, {10, "10"}}},
                 {"ok", "bad"},
                 {{"<enrich>", {8, 2}, "eight & two"}, {std::string(300, 'x'), {0, 5}, "five"}}};
  const std::string svg = DrawRowChart(chart, 400);
  EXPECT_TRUE(absl::StrContains(svg, ">&lt;enrich&gt;</text>")) << svg;
  EXPECT_TRUE(absl::StrContains(svg, "…</text>"));
  EXPECT_TRUE(absl::StrContains(svg, "<title>eight &amp; two</title>"));
  EXPECT_EQ(Count(svg, "class=\"bar ok\""), 1u);
  EXPECT_EQ(Count(svg, "class=\"bar bad\""), 2u);
  EXPECT_NEAR(Attribute(svg, "class=\"bar ok\"", "width"),
              4 * Attribute(svg, "class=\"bar bad\"", "width"), 0.3);
  EXPECT_TRUE(absl::StrContains(svg, ">jobs</text>"));
}

}  // namespace
}  // namespace closewrite
