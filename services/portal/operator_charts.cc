#include "services/portal/operator_charts.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "services/log/str_cat.h"
#include "services/page/axis_scale.h"
#include "services/page/html_text.h"
#include "services/page/report_charts.h"
#include "services/page/report_text.h"
#include "services/page/svg_chart.h"
#include "services/portal/operator_pages.h"

namespace closewrite::portal {
namespace {

constexpr int kQueuesDrawnMax = 12;
constexpr int kWideChart = 880;
constexpr int kNarrowChart = 380;
constexpr int kStepsMax = 5;

struct Counts {
  int64_t waiting = 0;
  int64_t running = 0;
  int64_t failed = 0;
};

void Add(const v1::JobCount& count, Counts* counts) {
  switch (count.state()) {
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_PUBLISHING:
      counts->running += count.count();
      break;
    case v1::JOB_STATE_FAILED:
      counts->failed += count.count();
      break;
    default:
      counts->waiting += count.count();
  }
}

struct Tile {
  std::string name;
  std::string value;
  std::string more;
  std::string path;
  bool alarm = false;
};

std::string DrawTile(const Tile& tile) {
  return StrCat("<div class=\"tile", tile.alarm ? " alarm" : "", "\"><dt>",
                tile.path.empty() ? HtmlText(tile.name) : Link(tile.path, tile.name), "</dt><dd>",
                HtmlText(tile.value), "</dd><dd class=\"more\">", HtmlText(tile.more),
                "</dd></div>\n");
}

// What waits and runs now, by pipeline.
std::string QueueChart(const Overview& overview) {
  std::map<std::string, Counts> by_name;
  for (const v1::JobCount& count : overview.now.counts()) Add(count, &by_name[count.pipeline()]);
  std::vector<std::pair<std::string, Counts>> rows;
  double max = 1;
  for (const auto& [name, counts] : by_name) {
    if (counts.waiting + counts.running == 0) continue;
    rows.emplace_back(name, counts);
    max = std::max(max, static_cast<double>(counts.waiting + counts.running));
  }
  if (rows.empty()) return NothingToShow("Nothing waits and nothing runs.");
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.second.waiting + a.second.running > b.second.waiting + b.second.running;
  });
  if (rows.size() > kQueuesDrawnMax) rows.resize(kQueuesDrawnMax);
  RowChart chart{.names = {"queue", "Jobs that wait and run now", "By pipeline."},
                 .axis = {.unit = "jobs", .ticks = CountTicks(max, kStepsMax)},
                 .css = {"median", "off"}};
  for (const auto& [name, counts] : rows) {
    chart.rows.push_back(
        {name,
         {static_cast<double>(counts.running), static_cast<double>(counts.waiting)},
         StrCat(Grouped(counts.running), " running, ", Grouped(counts.waiting), " waiting")});
  }
  std::string html =
      "<ul class=\"legend\"><li><i class=\"median\"></i><span>running</span></li><li><i "
      "class=\"off\"></i><span>waiting</span></li></ul>\n<div class=\"wide\">";
  StrAppend(&html, DrawRowChart(chart, kWideChart), "</div>\n<div class=\"narrow\">");
  chart.names.id = "queue-narrow";
  return StrCat(html, DrawRowChart(chart, kNarrowChart), "</div>\n");
}

}  // namespace

std::string OverviewTiles(const Overview& overview) {
  Counts now;
  for (const v1::JobCount& count : overview.now.counts()) Add(count, &now);
  int64_t executors = 0;
  int64_t slots = 0;
  int64_t busy = 0;
  for (const v1::ExecutorStatus& each : overview.executors) {
    executors += each.connected();
    slots += each.connected() ? each.slots() : 0;
    busy += each.leases();
  }
  int64_t volumes = 0;
  int64_t troubled = 0;
  for (const v1::WatcherStatus& watcher : overview.watchers) {
    for (const v1::VolumeStatus& volume : watcher.volumes()) {
      ++volumes;
      troubled += !watcher.connected() || volume.state() != v1::VOLUME_STATE_LIVE;
    }
  }
  std::string html = "<dl class=\"tiles\">\n";
  for (const Tile& tile :
       {Tile{"Running", Grouped(now.running), StrCat("on ", busy, " of ", slots, " slots"),
             "/jobs?state=running"},
        Tile{"Waiting", Grouped(now.waiting), "jobs", "/jobs?state=available"},
        Tile{"Dead letters", Grouped(now.failed), "failed jobs, until they are tried again",
             "/jobs?state=failed", now.failed > 0},
        Tile{"Success", SuccessText(overview.report.jobs()), "of those not cancelled", ""},
        Tile{"Median", MedianText(overview.report.jobs().duration()), "of commands", ""},
        Tile{"Executors", Grouped(executors), "connected", "/executors", executors == 0},
        Tile{"Volumes", Grouped(volumes),
             troubled == 0 ? "watched" : StrCat(troubled, " in trouble"), "/watchers",
             troubled > 0 || volumes == 0}}) {
    html += DrawTile(tile);
  }
  return StrCat(html, "</dl>\n");
}

std::string PeriodMenu(int hours) {
  std::string html = "<p class=\"periods\">The last ";
  for (const int each : {1, 24, 168, 720}) {
    const std::string text = each == 1     ? "hour"
                             : each == 24  ? "day"
                             : each == 168 ? "week"
                                           : "30 days";
    StrAppend(&html,
              each == hours ? StrCat("<b aria-current=\"true\">", text, "</b>")
                            : Link(StrCat("/overview?hours=", each), text),
              " ");
  }
  return StrCat(html, "</p>\n");
}

std::string OverviewCharts(const Overview& overview) {
  return StrCat(ReportPanel("queues", "Queues", "Jobs that wait and run now, by pipeline.",
                            QueueChart(overview)),
                ThroughputPanel(overview.report), DurationPanel(overview.report),
                FailuresPanel(overview.report));
}

}  // namespace closewrite::portal
