// Reads what a report is made of out of the store, and shows it: MonitorService.GetReport.
#ifndef SERVICES_COORDINATOR_API_REPORT_READER_H_
#define SERVICES_COORDINATOR_API_REPORT_READER_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/report.pb.h"
#include "services/coordinator/core/report.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Stated in closewrite/v1/report.proto.
inline constexpr absl::Duration kReportPeriodMax = absl::Hours(24 * 400);
inline constexpr absl::Duration kReportPeriodDefault = absl::Hours(24 * 7);

struct ReportLimits {
  int64_t jobs_max = 5'000'000;
  int64_t loads_max = 1'000'000;
  int64_t rows_per_read = 2000;  // so that no read is long
};

// INVALID_ARGUMENT names the fields.
absl::StatusOr<ReportPeriod> ReportPeriodOf(const v1::GetReportRequest& request, absl::Time now);

// CANCELLED when `go_on`, which is asked between reads, says so; otherwise the store's errors.
absl::Status ReadReport(Store& store, const ReportPeriod& period, const ReportLimits& limits,
                        absl::FunctionRef<bool()> go_on, v1::GetReportResponse* response);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_REPORT_READER_H_
