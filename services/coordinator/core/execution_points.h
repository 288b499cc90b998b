// What a change of a job means for whoever charts executions: points of the measurement
// `execution`, by the convention of R's package rmeta (R/job.R): tags id, job and state, and the
// field value, a float that is 1.
#ifndef SERVICES_COORDINATOR_CORE_EXECUTION_POINTS_H_
#define SERVICES_COORDINATOR_CORE_EXECUTION_POINTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/line_protocol.h"
#include "services/coordinator/core/monitoring.h"

namespace closewrite {

std::string_view ExecutionStateName(ExecutionState state);  // as the tag has it

// Tags beside those of the convention, for those who asked for them: each makes more series.
struct ExtraTags {
  bool host = false;
  bool attempt = false;   // its number, or 0 when it did not count
  bool pipeline = false;  // not of a task's run
};

// A UUID (RFC 9562, version 8) that is the same whenever it is asked for, and another one for each
// attempt of each job.
std::string ExecutionId(const Lease& lease, absl::Time leased_at);
// The name that the convention calls `job`: of the pipeline, or of the task.
std::string ExecutionJobName(const Job& job);

Point ExecutionPoint(std::string_view id, std::string_view job, ExecutionState state,
                     absl::Time time);

// Whether an attempt that has ended counts as one: not when it was handed back, nor when its
// executor was lost before its command had started.
bool IsExecution(const Attempt& ended);

// An attempt starts with its command, and ends when its job has succeeded - its results are in
// place, too - or when it has failed, was killed or lost; see IsExecution. One that could not start
// its command began when it was leased. `ended` is JobChange::attempt of the change.
std::vector<Point> ExecutionPointsOf(const Job& before, const Job& after,
                                     const std::optional<Attempt>& ended, const ExtraTags& tags,
                                     absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_EXECUTION_POINTS_H_
