// Asks the coordinator for what operators see, and does what they say.
#ifndef SERVICES_PORTAL_OPERATOR_HANDLER_H_
#define SERVICES_PORTAL_OPERATOR_HANDLER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/report.pb.h"
#include "services/portal/coordinator_calls.h"
#include "services/portal/page_frame.h"
#include "services/portal/web.h"

namespace closewrite::portal {

inline constexpr int kJobsPerPage = 50;
inline constexpr int kTasksPerPage = 500;
inline constexpr int kFleetPerPage = 500;
// Counting all jobs of a month takes its time, and pages that are live ask again and again.
inline constexpr absl::Duration kReportKept = absl::Seconds(10);

// Thread-safe.
class OperatorHandler {
 public:
  // Not owned.
  explicit OperatorHandler(CoordinatorCalls* calls) : calls_(*calls) {}

  // Of `path`, which is none of ours: 404.
  Page Show(const WebRequest& request, const std::string& path);
  // A button was pressed: `/jobs/7/retry`.
  Page Act(const WebRequest& request, const std::string& path);

 private:
  Page ShowOverview(const WebRequest& request);
  Page ShowJobs(const WebRequest& request);
  Page ShowJob(int64_t id);
  Page ActOnJob(int64_t id, const std::string& action, const std::string& who);
  Page Drain(const std::string& name, const std::string& who);
  Page Break(const std::string& lock, const std::string& who);
  Page ActOnTask(const std::string& name, const std::string& action, const std::string& who);

  absl::StatusOr<v1::GetReportResponse> Report(int hours);

  struct KeptReport {
    v1::GetReportResponse report;
    absl::Duration made_at;
  };

  CoordinatorCalls& calls_;
  absl::Mutex mutex_;
  std::map<int, KeptReport> reports_ ABSL_GUARDED_BY(mutex_);  // by hours
};

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_OPERATOR_HANDLER_H_
