// The panels of a report that have charts, each as a part of a page.
#ifndef SERVICES_PAGE_REPORT_CHARTS_H_
#define SERVICES_PAGE_REPORT_CHARTS_H_

#include <string>
#include <string_view>

#include "closewrite/v1/report.pb.h"

namespace closewrite {

// A part of the page with its heading; `about` is a sentence below it, and `body` is HTML.
std::string ReportPanel(std::string_view id, std::string_view title, std::string_view about,
                        std::string_view body);
// What stands in a panel in place of a chart without data.
std::string NothingToShow(std::string_view sentence);

// Jobs that ended in each bucket, by what became of them.
std::string ThroughputPanel(const v1::GetReportResponse& report);
// How long commands ran.
std::string DurationPanel(const v1::GetReportResponse& report);
// How long it took from a job's making to its result.
std::string TotalPanel(const v1::GetReportResponse& report);
// Failures of each pipeline.
std::string FailuresPanel(const v1::GetReportResponse& report);
// Records that were loaded in each bucket, by data source.
std::string RecordsPanel(const v1::GetReportResponse& report);
// Marks of data sources, each on a scale of its own.
std::string IncrementsPanel(const v1::GetReportResponse& report);
// The chart of jobs by executor; "" when none had any.
std::string ExecutorsChart(const v1::GetReportResponse& report);

}  // namespace closewrite

#endif  // SERVICES_PAGE_REPORT_CHARTS_H_
