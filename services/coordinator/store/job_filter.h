// Which jobs a JobFilter lets through, as plain code.
#ifndef SERVICES_COORDINATOR_STORE_JOB_FILTER_H_
#define SERVICES_COORDINATOR_STORE_JOB_FILTER_H_

#include <optional>
#include <string>
#include <vector>

#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// `input_path` without `input_volume` does not restrict, as the path alone names nothing.
bool Matches(const JobFilter& filter, const Job& job);

// By pipeline and state, as CountJobs gives them.
void SortCounts(std::vector<JobCount>* counts);

struct InputPath {
  std::string volume;
  std::string path;
};
// The one input that all jobs of the filter have, also when it is not named: all runs of a task
// have the same. Indexes by input then find the few among many.
std::optional<InputPath> OnlyInput(const JobFilter& filter);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_JOB_FILTER_H_
