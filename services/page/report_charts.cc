#include "services/page/report_charts.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "services/log/str_cat.h"
#include "services/page/axis_scale.h"
#include "services/page/html_table.h"
#include "services/page/html_text.h"
#include "services/page/report_text.h"
#include "services/page/svg_chart.h"
#include "services/text/text_width.h"
#include "services/text/time_text.h"

namespace closewrite {
namespace {

using enum HtmlCells;

// A page has a drawing for wide and one for narrow windows, since text must not shrink.
constexpr ChartSize kWide = {880, 270};
constexpr ChartSize kNarrow = {380, 240};
constexpr ChartSize kSmall = {420, 190};
constexpr int kStepsMax = 5;
constexpr int kSmallStepsMax = 3;
constexpr int kRowsMax = 12;
constexpr int kSourcesDrawnMax = 12;
constexpr int kSourceColors = 6;
// Of each part of a source's name; the table has all of it.
constexpr int kSourceCharactersMax = 50;
// Durations that differ more are drawn on a logarithmic axis.
constexpr double kLinearRatioMax = 30;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string BothSizes(
    absl::FunctionRef<std::string(ChartSize size, std::string_view suffix)> draw) {
  return StrCat("<div class=\"wide\">", draw(kWide, "-wide"), "</div>\n<div class=\"narrow\">",
                draw(kNarrow, "-narrow"), "</div>\n");
}

std::string DrawBoth(TimeChart chart) {
  const std::string id = chart.names.id;
  return BothSizes([&](ChartSize size, std::string_view suffix) {
    chart.names.id = StrCat(id, suffix);
    return DrawTimeChart(chart, size);
  });
}

std::string DrawBoth(RowChart chart) {
  const std::string id = chart.names.id;
  return BothSizes([&](ChartSize size, std::string_view suffix) {
    chart.names.id = StrCat(id, suffix);
    return DrawRowChart(chart, size.width);
  });
}

struct LegendEntry {
  std::string css;
  std::string name;
};

std::string Legend(const std::vector<LegendEntry>& entries) {
  std::string html = "<ul class=\"legend\">";
  for (const LegendEntry& entry : entries) {
    StrAppend(&html, "<li><i class=\"", entry.css, "\"></i>", HtmlText(entry.name), "</li>");
  }
  return StrCat(html, "</ul>\n");
}

const std::vector<LegendEntry>& Outcomes() {
  static const auto* const outcomes =
      new std::vector<LegendEntry>{{"ok", "succeeded"}, {"bad", "failed"}, {"off", "cancelled"}};
  return *outcomes;
}

std::string OutcomesText(const v1::ReportStatistics& jobs) {
  std::string text = StrCat(Grouped(jobs.succeeded()), " succeeded");
  if (jobs.failed() > 0) StrAppend(&text, ", ", Grouped(jobs.failed()), " failed");
  if (jobs.cancelled() > 0) StrAppend(&text, ", ", Grouped(jobs.cancelled()), " cancelled");
  return text;
}

absl::Duration Width(const v1::GetReportResponse& report) { return ToDuration(report.bucket()); }

std::string BucketName(const v1::GetReportResponse& report, int bucket) {
  return BucketText(ToTime(report.buckets(bucket).begin()), Width(report));
}

TimeChart ChartOf(const v1::GetReportResponse& report, ChartNames names, ChartKind kind) {
  TimeChart chart;
  chart.names = std::move(names);
  chart.kind = kind;
  chart.begin = ToTime(report.since());
  chart.bucket = Width(report);
  chart.notes.resize(static_cast<size_t>(report.buckets_size()));
  return chart;
}

double Seconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleSeconds(ToDuration(duration));
}

// Lines for the median and the 95th percentile of what `of` takes out of each bucket.
std::string QuantilesBody(
    const v1::GetReportResponse& report, const ChartNames& names,
    absl::FunctionRef<const v1::ReportQuantiles&(const v1::ReportBucket&)> of) {
  TimeChart chart = ChartOf(report, names, ChartKind::kLines);
  ChartSeries median{"half took no longer (median)", "median", {}};
  ChartSeries p95{"95 of 100 took no longer", "p95", {}};
  HtmlTable table(names.title, {{"Time, UTC"},
                                {"Jobs", kNumber},
                                {"Median", kNumber},
                                {"95 of 100", kNumber},
                                {"Longest", kNumber}});
  double least = std::numeric_limits<double>::infinity();
  double most = 0;
  for (int i = 0; i < report.buckets_size(); ++i) {
    const v1::ReportQuantiles& each = of(report.buckets(i));
    const bool any = each.count() > 0;
    median.values.push_back(any ? Seconds(each.median()) : kNaN);
    p95.values.push_back(any ? Seconds(each.p95()) : kNaN);
    table.Add({BucketName(report, i), Grouped(each.count()), MedianText(each), P95Text(each),
               MaxText(each)});
    if (!any) continue;
    least = std::min(least, median.values.back());
    most = std::max(most, p95.values.back());
    chart.notes[static_cast<size_t>(i)] =
        StrCat(BucketName(report, i), ": median ", MedianText(each), ", 95 of 100 within ",
               P95Text(each), ", longest ", MaxText(each), ", of ", Grouped(each.count()));
  }
  if (std::isinf(least)) return NothingToShow("No job succeeded in this period.");
  // Below there is nothing to be told apart.
  least = std::max(least, 1e-4);
  most = std::max(most, 1e-4);
  chart.axis.logarithmic = most / least > kLinearRatioMax;
  chart.axis.ticks =
      chart.axis.logarithmic ? LogSecondsTicks(least, most) : SecondsTicks(most, kStepsMax);
  chart.axis.unit = chart.axis.logarithmic ? "duration, logarithmic" : "duration";
  const std::string legend = Legend({{median.css, median.name}, {p95.css, p95.name}});
  chart.series = {std::move(median), std::move(p95)};
  return StrCat(legend, DrawBoth(std::move(chart)), table.DrawClosed());
}

// A name for a data source, as short as tells it apart.
std::string SourceName(const v1::ReportSource& source) {
  const auto part = [](const std::string& text) {
    return Shorten(Printable(text), kSourceCharactersMax);
  };
  std::string name = StrCat(part(source.datasource()), " by ", part(source.job()));
  if (source.type() != "load") StrAppend(&name, " (", part(source.type()), ")");
  return name;
}

// Indexes of sources, those with the largest `size` first.
std::vector<int> SourcesBy(const v1::GetReportResponse& report,
                           absl::FunctionRef<int64_t(const v1::ReportSource&)> size) {
  std::vector<int> order(static_cast<size_t>(report.sources_size()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return size(report.sources(a)) > size(report.sources(b)); });
  return order;
}

std::string NoLoads() {
  return NothingToShow(
      "No load was logged in this period. Scripts log what they have loaded by `closewrite "
      "increment log`.");
}

// Records of the largest data sources, and of all others together.
std::vector<ChartSeries> RecordsSeries(const v1::GetReportResponse& report) {
  const auto buckets = static_cast<size_t>(report.buckets_size());
  std::vector<ChartSeries> all;
  ChartSeries others{"all others", "rest", {}};
  for (const v1::ReportBucket& bucket : report.buckets()) {
    others.values.push_back(static_cast<double>(bucket.records()));
  }
  for (const int index :
       SourcesBy(report, [](const v1::ReportSource& source) { return source.records(); })) {
    const v1::ReportSource& source = report.sources(index);
    if (all.size() == kSourceColors || source.records() == 0) break;
    ChartSeries series{SourceName(source), StrCat("source", all.size() + 1), {}};
    series.values.resize(buckets);
    for (const v1::ReportLoads& point : source.points()) {
      const auto bucket = static_cast<size_t>(point.bucket());
      if (bucket >= buckets) continue;
      series.values[bucket] = static_cast<double>(point.records());
      others.values[bucket] -= static_cast<double>(point.records());
    }
    all.push_back(std::move(series));
  }
  const bool rest = std::any_of(others.values.begin(), others.values.end(),
                                [](double value) { return value > 0; });
  if (rest) all.push_back(std::move(others));
  return all;
}

std::string DrawSource(const v1::GetReportResponse& report, int index) {
  const v1::ReportSource& source = report.sources(index);
  TimeChart chart =
      ChartOf(report,
              {StrCat("increment", index), StrCat("Increment of ", SourceName(source)),
               StrCat("The highest mark in each ", WidthText(Width(report)),
                      " that has a load; at the end ", Grouped(source.increment()))},
              ChartKind::kSteps);
  int64_t min = std::numeric_limits<int64_t>::max();
  int64_t max = std::numeric_limits<int64_t>::min();
  for (const v1::ReportLoads& point : source.points()) {
    min = std::min(min, point.increment());
    max = std::max(max, point.increment());
  }
  if (source.points().empty()) return "";
  MarkAxis axis = MarkTicks(min, max, kSmallStepsMax);
  ChartSeries series{"", "mark-line", {}};
  series.values.assign(static_cast<size_t>(report.buckets_size()), kNaN);
  for (const v1::ReportLoads& point : source.points()) {
    if (point.bucket() < 0 || point.bucket() >= report.buckets_size()) continue;
    const auto bucket = static_cast<size_t>(point.bucket());
    series.values[bucket] = static_cast<double>(static_cast<uint64_t>(point.increment()) -
                                                static_cast<uint64_t>(axis.base));
    chart.notes[bucket] =
        StrCat(BucketName(report, point.bucket()), ": ", Grouped(point.increment()), ", ",
               Grouped(point.records()), " records in ", Grouped(point.loads()),
               point.loads() == 1 ? " load" : " loads");
  }
  chart.axis = {.unit = "increment", .ticks = std::move(axis.ticks)};
  chart.series.push_back(std::move(series));
  return StrCat("<div class=\"small\"><h3>", HtmlText(SourceName(source)), "</h3>\n",
                DrawTimeChart(chart, kSmall), "</div>\n");
}

}  // namespace

std::string ReportPanel(std::string_view id, std::string_view title, std::string_view about,
                        std::string_view body) {
  return StrCat("<section class=\"card\" aria-labelledby=\"", id, "\">\n<h2 id=\"", id, "\">",
                HtmlText(title), "</h2>\n", about.empty() ? "" : "<p class=\"about\">",
                HtmlText(about), about.empty() ? "" : "</p>\n", body, "</section>\n");
}

std::string NothingToShow(std::string_view sentence) {
  return StrCat("<p class=\"nothing\">", HtmlText(sentence), "</p>\n");
}

std::string ThroughputPanel(const v1::GetReportResponse& report) {
  const std::string per = WidthText(Width(report));
  const std::string title = StrCat("Jobs ended per ", per);
  const std::string about = "When jobs came to their end, and what became of them.";
  if (Ended(report.jobs()) == 0) {
    return ReportPanel("throughput", title, about,
                       NothingToShow("No job came to its end in this period."));
  }
  TimeChart chart =
      ChartOf(report, {"throughput", title, StrCat("Bars by time: ", OutcomesText(report.jobs()))},
              ChartKind::kStackedBars);
  for (const LegendEntry& entry : Outcomes()) chart.series.push_back({entry.name, entry.css, {}});
  HtmlTable table(title, {{"Time, UTC"},
                          {"Succeeded", kNumber},
                          {"Failed", kNumber},
                          {"Cancelled", kNumber},
                          {"Attempts", kNumber}});
  int64_t most = 0;
  for (int i = 0; i < report.buckets_size(); ++i) {
    const v1::ReportStatistics& jobs = report.buckets(i).jobs();
    chart.series[0].values.push_back(static_cast<double>(jobs.succeeded()));
    chart.series[1].values.push_back(static_cast<double>(jobs.failed()));
    chart.series[2].values.push_back(static_cast<double>(jobs.cancelled()));
    chart.notes[static_cast<size_t>(i)] = StrCat(BucketName(report, i), ": ", OutcomesText(jobs));
    table.Add({BucketName(report, i), Grouped(jobs.succeeded()), Grouped(jobs.failed()),
               Grouped(jobs.cancelled()), Grouped(jobs.attempts())});
    most = std::max(most, Ended(jobs));
  }
  chart.axis = {.unit = StrCat("jobs per ", per),
                .ticks = CountTicks(static_cast<double>(most), kStepsMax)};
  return ReportPanel("throughput", title, about,
                     StrCat(Legend(Outcomes()), DrawBoth(std::move(chart)), table.DrawClosed()));
}

std::string DurationPanel(const v1::GetReportResponse& report) {
  const ChartNames names{"duration", "How long commands ran",
                         "Lines by time: median and 95th percentile of the duration"};
  return ReportPanel(
      "duration", names.title,
      "Of jobs that succeeded: from the start of the last attempt's command to the result.",
      QuantilesBody(
          report, names,
          [](const v1::ReportBucket& bucket) -> const auto& { return bucket.jobs().duration(); }));
}

std::string TotalPanel(const v1::GetReportResponse& report) {
  const ChartNames names{"total", "How long results took",
                         "Lines by time: median and 95th percentile from job to result"};
  return ReportPanel(
      "total", names.title,
      "Of jobs that succeeded: from the making of the job to the result, with all waits and "
      "attempts.",
      QuantilesBody(
          report, names,
          [](const v1::ReportBucket& bucket) -> const auto& { return bucket.jobs().total(); }));
}

std::string FailuresPanel(const v1::GetReportResponse& report) {
  const std::string title = "Failures by pipeline";
  const std::string about = "Jobs that have failed and have no attempt left.";
  std::vector<const v1::ReportPipeline*> failing;
  for (const v1::ReportPipeline& pipeline : report.pipelines()) {
    if (pipeline.jobs().failed() > 0) failing.push_back(&pipeline);
  }
  if (failing.empty()) {
    return ReportPanel("failures", title, about, NothingToShow("No job failed in this period."));
  }
  std::stable_sort(failing.begin(), failing.end(), [](const auto* a, const auto* b) {
    return a->jobs().failed() > b->jobs().failed();
  });
  RowChart chart{{"failures", title, "Bars: failed jobs of each pipeline"}, {}, {"bad"}, {}};
  HtmlTable table(
      title,
      {{"Pipeline or task", kName}, {"Failed", kNumber}, {"Ended", kNumber}, {"Success", kNumber}});
  for (const v1::ReportPipeline* pipeline : failing) {
    const v1::ReportStatistics& jobs = pipeline->jobs();
    if (chart.rows.size() < kRowsMax) {
      chart.rows.push_back({pipeline->name(),
                            {static_cast<double>(jobs.failed())},
                            StrCat(pipeline->name(), ": ", OutcomesText(jobs))});
    }
    table.Add({pipeline->name(), Grouped(jobs.failed()), Grouped(Ended(jobs)), SuccessText(jobs)});
  }
  chart.axis = {.unit = "failed jobs",
                .ticks = CountTicks(chart.rows.front().parts.front(), kStepsMax)};
  return ReportPanel("failures", title, about,
                     StrCat(DrawBoth(std::move(chart)), table.DrawClosed()));
}

std::string RecordsPanel(const v1::GetReportResponse& report) {
  const std::string per = WidthText(Width(report));
  const std::string title = StrCat("Records loaded per ", per);
  const std::string about = "As scripts have logged them, by data source.";
  if (report.loads() == 0) return ReportPanel("records", title, about, NoLoads());
  if (report.records() == 0) {
    return ReportPanel("records", title, about,
                       NothingToShow("All loads of this period had no records."));
  }
  TimeChart chart = ChartOf(
      report,
      {"records", title,
       StrCat(Grouped(report.records()), " records in ", Grouped(report.loads()), " loads")},
      ChartKind::kStackedBars);
  chart.series = RecordsSeries(report);
  HtmlTable table(title, {{"Time, UTC"}, {"Records", kNumber}, {"Loads", kNumber}});
  int64_t most = 0;
  for (int i = 0; i < report.buckets_size(); ++i) {
    const v1::ReportBucket& bucket = report.buckets(i);
    most = std::max(most, bucket.records());
    std::string& note = chart.notes[static_cast<size_t>(i)];
    StrAppend(&note, BucketName(report, i), ": ", Grouped(bucket.records()), " records");
    for (const ChartSeries& series : chart.series) {
      const double value = series.values[static_cast<size_t>(i)];
      if (value > 0) StrAppend(&note, "; ", series.name, " ", CompactCount(value));
    }
    table.Add({BucketName(report, i), Grouped(bucket.records()), Grouped(bucket.loads())});
  }
  chart.axis = {.unit = StrCat("records per ", per),
                .ticks = CountTicks(static_cast<double>(most), kStepsMax)};
  std::vector<LegendEntry> legend;
  for (const ChartSeries& series : chart.series) legend.push_back({series.css, series.name});
  return ReportPanel("records", title, about,
                     StrCat(Legend(legend), DrawBoth(std::move(chart)), table.DrawClosed()));
}

std::string IncrementsPanel(const v1::GetReportResponse& report) {
  const std::string title = "Increments";
  const std::string about = "Up to where each data source was loaded, on a scale of its own.";
  if (report.sources().empty()) return ReportPanel("increments", title, about, NoLoads());
  std::vector<int> drawn =
      SourcesBy(report, [](const v1::ReportSource& source) { return source.loads(); });
  drawn.resize(std::min<size_t>(drawn.size(), kSourcesDrawnMax));
  std::sort(drawn.begin(), drawn.end());
  std::string charts;
  for (const int index : drawn) charts += DrawSource(report, index);
  HtmlTable table(title, {{"Data source", kName},
                          {"Job", kName},
                          {"Type"},
                          {"Increment", kNumber},
                          {"Logged"},
                          {"Loads", kNumber},
                          {"Records", kNumber}});
  for (const v1::ReportSource& source : report.sources()) {
    table.Add({source.datasource(), source.job(), source.type(), Grouped(source.increment()),
               MomentText(source.has_at(), source.at()), Grouped(source.loads()),
               Grouped(source.records())});
  }
  const int64_t left = report.sources_size() - static_cast<int64_t>(drawn.size());
  const std::string more =
      left == 0 ? "" : StrCat("<p class=\"about\">", left, " more are in the table.</p>\n");
  return ReportPanel("increments", title, about,
                     StrCat("<div class=\"smalls\">\n", charts, "</div>\n", more, table.Draw()));
}

std::string ExecutorsChart(const v1::GetReportResponse& report) {
  std::vector<const v1::ReportExecutor*> busiest;
  for (const v1::ReportExecutor& executor : report.executors()) busiest.push_back(&executor);
  if (busiest.empty()) return "";
  std::stable_sort(busiest.begin(), busiest.end(), [](const auto* a, const auto* b) {
    return Ended(a->jobs()) > Ended(b->jobs());
  });
  RowChart chart{
      {"executors", "Jobs by executor",
       "Bars: jobs that ended, by the executor of their last attempt"},
      {.unit = "jobs",
       .ticks = CountTicks(static_cast<double>(Ended(busiest.front()->jobs())), kStepsMax)},
      {},
      {}};
  for (const LegendEntry& entry : Outcomes()) chart.css.push_back(entry.css);
  busiest.resize(std::min<size_t>(busiest.size(), kRowsMax));
  for (const v1::ReportExecutor* executor : busiest) {
    const v1::ReportStatistics& jobs = executor->jobs();
    chart.rows.push_back(
        {executor->name(),
         {static_cast<double>(jobs.succeeded()), static_cast<double>(jobs.failed()),
          static_cast<double>(jobs.cancelled())},
         StrCat(executor->name(), ": ", OutcomesText(jobs))});
  }
  return StrCat(Legend(Outcomes()), DrawBoth(std::move(chart)));
}

}  // namespace closewrite
