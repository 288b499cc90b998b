// A report as one page that any browser opens, now and in ten years: no script, and nothing that
// is fetched from anywhere. A function of what the coordinator has answered.
#ifndef SERVICES_CLI_REPORT_PAGE_H_
#define SERVICES_CLI_REPORT_PAGE_H_

#include <string>
#include <vector>

#include "closewrite/v1/fleet.pb.h"
#include "closewrite/v1/report.pb.h"

namespace closewrite::cli {

struct ReportPage {
  std::string coordinator;  // as it was asked for
  std::string version;      // of the program that makes the page
  v1::GetReportResponse report;
  v1::GetOverviewResponse overview;           // what waits now
  std::vector<v1::ExecutorStatus> executors;  // who is there now
};

// HTML in UTF-8. Names, paths and messages of others are escaped, whatever bytes they are.
std::string DrawReportPage(const ReportPage& page);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_REPORT_PAGE_H_
