// Waiting for jobs to finish.
#ifndef SERVICES_CLI_JOB_WAIT_H_
#define SERVICES_CLI_JOB_WAIT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// How long a second Ctrl-C after the first cancels the jobs.
inline constexpr absl::Duration kCancelWindow = absl::Seconds(2);

struct JobWaitOptions {
  // Print to stdout the name of each published file, and the ids of unfinished jobs when the wait
  // ends early. Off when stdout has the jobs already; published names then go to stderr.
  bool print_results = true;
  // The caller made these jobs: a second Ctrl-C cancels them.
  bool may_cancel = false;
  // A cancelled job is a failure. Not where a newer version of its file may have taken its place.
  bool cancelled_fails = true;
};

// Waits until all are final, --timeout, or Ctrl-C; prints each job as it finishes (an object a line
// with -o json). Returns the exit code: 0 when all succeeded; the command's own code of the first
// job, in the order of `job_ids`, that did not (128 + N for signal N; 1 when no code is known);
// 124; 130. NOT_FOUND when one does not exist.
absl::StatusOr<int> WaitForJobs(Invocation& invocation, const std::vector<int64_t>& job_ids,
                                const JobWaitOptions& options);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOB_WAIT_H_
