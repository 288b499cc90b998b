#include "services/cli/report_page.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>

#include "absl/strings/str_format.h"
#include "services/cli/table.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"
#include "services/page/axis_scale.h"
#include "services/page/html_table.h"
#include "services/page/html_text.h"
#include "services/page/report_charts.h"
#include "services/page/report_style.h"
#include "services/page/report_text.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

using enum HtmlCells;

// Of one message; a command may have said a lot.
constexpr int kMessageCharactersMax = 500;

struct Waiting {
  int64_t waiting = 0;
  int64_t running = 0;
  int64_t failed = 0;
};

Waiting CountNow(const v1::GetOverviewResponse& overview) {
  Waiting now;
  for (const v1::JobCount& count : overview.counts()) {
    switch (count.state()) {
      case v1::JOB_STATE_SCHEDULED:
      case v1::JOB_STATE_AVAILABLE:
      case v1::JOB_STATE_RETRYING:
        now.waiting += count.count();
        break;
      case v1::JOB_STATE_RUNNING:
      case v1::JOB_STATE_PUBLISHING:
        now.running += count.count();
        break;
      case v1::JOB_STATE_FAILED:
        now.failed += count.count();
        break;
      default:
        break;
    }
  }
  return now;
}

struct Tile {
  std::string name;
  std::string value;
  std::string more;
  bool alarm = false;
};

// Of what could be too long for a tile.
std::string ShortCount(int64_t count) {
  constexpr int64_t kGroupedMax = 1'000'000'000;
  return count < kGroupedMax ? Grouped(count) : CompactCount(static_cast<double>(count));
}

std::string DrawTile(const Tile& tile) {
  return StrCat("<div class=\"tile", tile.alarm ? " alarm" : "", "\"><dt>", HtmlText(tile.name),
                "</dt><dd>", HtmlText(tile.value), "</dd><dd class=\"more\">", HtmlText(tile.more),
                "</dd></div>\n");
}

std::string Tiles(const ReportPage& page) {
  const v1::GetReportResponse& report = page.report;
  const v1::ReportStatistics& jobs = report.jobs();
  const Waiting now = CountNow(page.overview);
  const int64_t ended = Ended(jobs);
  const double a_job =
      ended == 0 ? 0 : static_cast<double>(jobs.attempts()) / static_cast<double>(ended);
  std::string html = "<dl class=\"tiles\">\n";
  for (const Tile& tile : {
           Tile{"Succeeded", Grouped(jobs.succeeded()), "jobs"},
           Tile{"Failed", Grouped(jobs.failed()), "jobs", jobs.failed() > 0},
           Tile{"Cancelled", Grouped(jobs.cancelled()), "jobs"},
           Tile{"Success", SuccessText(jobs), "of those not cancelled"},
           Tile{"Median", MedianText(jobs.duration()), "of commands that succeeded"},
           Tile{"95 of 100 within", P95Text(jobs.duration()),
                StrCat("longest ", MaxText(jobs.duration()))},
           Tile{"Attempts", Grouped(jobs.attempts()),
                ended == 0 ? "" : absl::StrFormat("%.2f for each job", a_job)},
           Tile{"Records loaded", ShortCount(report.records()),
                StrCat("in ", Grouped(report.loads()), report.loads() == 1 ? " load" : " loads")},
           Tile{"Waiting now", Grouped(now.waiting), StrCat(Grouped(now.running), " running")},
           Tile{"Dead letters now", Grouped(now.failed), "failed jobs, until redrive"},
       }) {
    html += DrawTile(tile);
  }
  return StrCat(html, "</dl>\n");
}

std::string Warnings(const v1::GetReportResponse& report) {
  std::string html;
  const auto warn = [&](std::string_view text) {
    StrAppend(&html, "<p class=\"warning\" role=\"note\">", HtmlText(text), "</p>\n");
  };
  if (report.has_jobs_since()) {
    warn(StrCat("There are more jobs than one report looks at: those that ended before ",
                UtcText(ToTime(report.jobs_since())), " UTC are missing."));
  }
  if (report.has_loads_since()) {
    warn(StrCat("There are more loads than one report looks at: those that were logged before ",
                UtcText(ToTime(report.loads_since())), " UTC are missing."));
  }
  return html;
}

std::string PeriodText(const v1::GetReportResponse& report) {
  return StrCat(UtcText(ToTime(report.since())), " to ", UtcText(ToTime(report.until())));
}

std::string Head(const ReportPage& page) {
  // Nothing may be fetched or run, whatever a name would make of it.
  return StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>Closewrite report, ",
      HtmlText(PeriodText(page.report)), "</title>\n<style>", ReportStyle(), "</style>\n</head>\n");
}

std::string Header(const ReportPage& page) {
  const v1::GetReportResponse& report = page.report;
  return StrCat("<header>\n<h1>Closewrite report</h1>\n<p>", HtmlText(PeriodText(report)),
                " UTC</p>\n<p class=\"meta\">Coordinator ", HtmlText(page.coordinator),
                ", made at ", HtmlText(UtcText(ToTime(report.at()))), " UTC</p>\n",
                Warnings(report), "</header>\n");
}

std::string LatestFailures(const v1::GetReportResponse& report) {
  const std::string title = "Newest failures";
  const std::string about = "What failed last, and why; `closewrite explain JOB` tells the rest.";
  if (report.failures().empty()) {
    return ReportPanel("latest", title, about, NothingToShow("No job failed in this period."));
  }
  HtmlTable table(title, {{"Job", kNumber},
                          {"When"},
                          {"Pipeline or task", kName},
                          {"File", kText},
                          {"Message", kText},
                          {"Attempts", kNumber}});
  for (const v1::Job& job : report.failures()) {
    const std::string file = job.input().path().empty()
                                 ? kNone
                                 : StrCat(job.input().volume(), ":", Display(job.input().path()));
    table.Add({StrCat(job.id()), MomentText(job.has_finished_at(), job.finished_at()),
               job.pipeline(), file, Shorten(Printable(job.message()), kMessageCharactersMax),
               StrCat(job.attempts())});
  }
  return ReportPanel("latest", title, about, table.Draw());
}

void AddPipeline(const std::string& name, const v1::ReportStatistics& jobs,
                 const std::string& succeeded_at, const std::string& failed_at, HtmlTable* table) {
  table->Add({name, Grouped(Ended(jobs)), Grouped(jobs.succeeded()), Grouped(jobs.failed()),
              Grouped(jobs.cancelled()), MedianText(jobs.duration()), P95Text(jobs.duration()),
              MedianText(jobs.total()), succeeded_at, failed_at});
}

std::string Pipelines(const v1::GetReportResponse& report) {
  const std::string title = "Pipelines and tasks";
  if (report.pipelines().empty()) {
    return ReportPanel("pipelines", title, "",
                       NothingToShow("No job came to its end in this period."));
  }
  HtmlTable table(title, {{"Name", kName},
                          {"Ended", kNumber},
                          {"Succeeded", kNumber},
                          {"Failed", kNumber},
                          {"Cancelled", kNumber},
                          {"Median", kNumber},
                          {"95 of 100", kNumber},
                          {"To result", kNumber},
                          {"Last success"},
                          {"Last failure"}});
  for (const v1::ReportPipeline& pipeline : report.pipelines()) {
    AddPipeline(pipeline.name(), pipeline.jobs(),
                MomentText(pipeline.has_succeeded_at(), pipeline.succeeded_at()),
                MomentText(pipeline.has_failed_at(), pipeline.failed_at()), &table);
  }
  if (Ended(report.rest().jobs()) > 0) {
    AddPipeline(StrCat("(", Grouped(report.rest().pipelines()), " others)"), report.rest().jobs(),
                kNone, kNone, &table);
  }
  return ReportPanel("pipelines", title,
                     "Runs of tasks are called task/NAME. Median and 95 of 100 are of the commands "
                     "of jobs that succeeded; To result is the median with all waits.",
                     table.Draw());
}

struct ExecutorRow {
  const v1::ReportExecutor* worked = nullptr;
  const v1::ExecutorStatus* here = nullptr;
};

std::string StatusText(const v1::ExecutorStatus* here) {
  if (here == nullptr) return "gone";
  if (!here->connected()) return "disconnected";
  return here->draining() ? "draining" : "connected";
}

std::string Executors(const ReportPage& page) {
  const std::string title = "Executors";
  std::map<std::string, ExecutorRow> rows;
  for (const v1::ReportExecutor& executor : page.report.executors()) {
    rows[executor.name()].worked = &executor;
  }
  for (const v1::ExecutorStatus& executor : page.executors) rows[executor.name()].here = &executor;
  if (rows.empty()) {
    return ReportPanel("executors", title, "",
                       NothingToShow("None is here now, and none had a job in this period."));
  }
  HtmlTable table(title, {{"Executor", kName},
                          {"Host", kName},
                          {"Now"},
                          {"Slots", kNumber},
                          {"Ended", kNumber},
                          {"Failed", kNumber},
                          {"Median", kNumber},
                          {"Busy", kNumber}});
  const v1::ReportExecutor idle;
  for (const auto& [name, row] : rows) {
    const v1::ReportExecutor& worked = row.worked == nullptr ? idle : *row.worked;
    table.Add({name, row.here == nullptr ? worked.host() : row.here->host(), StatusText(row.here),
               row.here == nullptr ? kNone : StrCat(row.here->leases(), " of ", row.here->slots()),
               Grouped(Ended(worked.jobs())), Grouped(worked.jobs().failed()),
               MedianText(worked.jobs().duration()), DurationText(ToDuration(worked.busy()))});
  }
  const int64_t left = page.report.rest().executors();
  const std::string more =
      left == 0 ? "" : StrCat("<p class=\"about\">", left, " more had jobs.</p>\n");
  return ReportPanel("executors", title,
                     "Jobs by the executor of their last attempt; Busy is how long those ran.",
                     StrCat(ExecutorsChart(page.report), table.Draw(), more));
}

}  // namespace

std::string DrawReportPage(const ReportPage& page) {
  const v1::GetReportResponse& report = page.report;
  return StrCat(Head(page), "<body>\n", Header(page), "<main>\n", Tiles(page),
                ThroughputPanel(report), DurationPanel(report), TotalPanel(report),
                FailuresPanel(report), LatestFailures(report), Pipelines(report),
                IncrementsPanel(report), RecordsPanel(report), Executors(page),
                "</main>\n<footer>Made by closewrite ", HtmlText(page.version),
                ". All times are UTC. What the coordinator has forgotten is not counted.</footer>\n"
                "</body>\n</html>\n");
}

}  // namespace closewrite::cli
