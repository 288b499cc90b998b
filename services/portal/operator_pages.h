// The pages of people who run things. Functions of what the coordinator has answered.
#ifndef SERVICES_PORTAL_OPERATOR_PAGES_H_
#define SERVICES_PORTAL_OPERATOR_PAGES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "closewrite/v1/fleet.pb.h"
#include "closewrite/v1/job.pb.h"
#include "closewrite/v1/lock.pb.h"
#include "closewrite/v1/report.pb.h"
#include "closewrite/v1/task.pb.h"
#include "services/portal/page_frame.h"

namespace closewrite::portal {

// Periods that charts may show, in hours; the first is the default.
inline constexpr int kPeriodHours[] = {24, 1, 168, 720};

struct Overview {
  v1::GetOverviewResponse now;
  v1::GetReportResponse report;
  std::vector<v1::ExecutorStatus> executors;
  std::vector<v1::WatcherStatus> watchers;
  int hours = 0;
};
Page OverviewPage(const Overview& overview);

struct JobList {
  v1::ListJobsResponse jobs;
  std::string state;     // "" or `failed`
  std::string pipeline;  // "" or a name
  bool is_first = true;
  absl::Time now;
};
Page JobListPage(const JobList& list);

struct JobDetails {
  v1::GetJobResponse job;
  v1::ExplainResponse story;
  std::string log;  // its end
  absl::Time now;
};
Page JobPage(const JobDetails& details);

// `role`: of whoever looks; admins have more buttons.
Page ExecutorsPage(const v1::ListExecutorsResponse& executors, v1::PortalRole role, absl::Time now);
Page WatchersPage(const v1::ListWatchersResponse& watchers, absl::Time now);
Page LocksPage(const v1::ListLocksResponse& locks, const v1::ListRatesResponse& rates,
               v1::PortalRole role, absl::Time now);
Page TasksPage(const v1::ListTasksResponse& tasks, absl::Time now);

// Its short name, such as `failed`; JOB_STATE_UNSPECIFIED: there is none of that name.
std::string StateName(v1::JobState state);
v1::JobState StateNamed(const std::string& name);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_OPERATOR_PAGES_H_
