// What `closewrite jobs` prints.
#ifndef SERVICES_CLI_JOB_LIST_H_
#define SERVICES_CLI_JOB_LIST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/job.pb.h"
#include "services/cli/invocation.h"

namespace closewrite::cli {

// What `--sort` takes.
inline constexpr std::string_view kSortKeys[] = {"id",    "created",  "duration",
                                                 "state", "pipeline", "input"};
// To sort, all jobs that match must be there at once; of more than these the older are left out.
inline constexpr int64_t kSortedJobsMax = 100'000;

struct JobListOptions {
  v1::JobFilter filter;
  int64_t limit = 100;  // 0: all
  std::string sort;     // of kSortKeys; empty: as they come, which is by id
  bool reverse = false;
};

// By id and by creation the newest first, by duration the longest, else by the alphabet; among
// equals the newest first.
void SortJobs(std::string_view key, bool reverse, absl::Time now, std::vector<v1::Job>* jobs);

// Prints them page by page where nothing must be sorted.
absl::StatusOr<int> ListJobs(Invocation& invocation, const JobListOptions& options);

// Prints the newest jobs that match as `jobs` does, and then each that has changed, until Ctrl-C or
// --timeout.
absl::StatusOr<int> WatchJobs(Invocation& invocation, const JobListOptions& options);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_JOB_LIST_H_
