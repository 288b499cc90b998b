// How a report says times, widths of buckets, and how long things took.
#ifndef SERVICES_PAGE_REPORT_TEXT_H_
#define SERVICES_PAGE_REPORT_TEXT_H_

#include <string>

#include "absl/time/time.h"
#include "closewrite/v1/report.pb.h"

namespace closewrite {

// For what there is none of.
inline constexpr char kNone[] = "–";

// `2026-11-26 08:00:05`, UTC; without seconds where there are none.
std::string UtcText(absl::Time time);
// `26 Nov 08:00`, UTC, for tables; kNone when it is not set.
std::string MomentText(bool is_set, const google::protobuf::Timestamp& time);
// `2 hours`, `15 minutes`; `hour` and `day` of one alone, so that it can stand behind "per".
std::string WidthText(absl::Duration width);
// `26 Nov 08:00 to 10:00`, `26 Nov` of a day, `23 Nov to 29 Nov` of a week.
std::string BucketText(absl::Time begin, absl::Duration width);

std::string MedianText(const v1::ReportQuantiles& quantiles);
std::string P95Text(const v1::ReportQuantiles& quantiles);
std::string MaxText(const v1::ReportQuantiles& quantiles);

int64_t Ended(const v1::ReportStatistics& jobs);
// Of jobs that were not cancelled: `99.2 %`; kNone when there are none.
std::string SuccessText(const v1::ReportStatistics& jobs);

}  // namespace closewrite

#endif  // SERVICES_PAGE_REPORT_TEXT_H_
