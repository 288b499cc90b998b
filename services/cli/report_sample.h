// A report as it may come of a week, for tests of its page.
#ifndef SERVICES_CLI_REPORT_SAMPLE_H_
#define SERVICES_CLI_REPORT_SAMPLE_H_

#include "services/cli/report_page.h"

namespace closewrite::cli {

// Seven days by two hours, up to 2026-11-26 10:17:31 UTC: days and nights, an outage with failures,
// marks of all kinds. Always the same.
ReportPage SampleReportPage();

// The same period in which nothing happened, and nobody is there.
ReportPage EmptyReportPage();

// Names, paths and messages that would like to be more than text, and extreme numbers.
ReportPage HostileReportPage();

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_REPORT_SAMPLE_H_
