// Which jobs a JobFilter lets through, as plain code.
#ifndef SERVICES_COORDINATOR_STORE_JOB_FILTER_H_
#define SERVICES_COORDINATOR_STORE_JOB_FILTER_H_

#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// `input_path` without `input_volume` does not restrict, as the path alone names nothing.
bool Matches(const JobFilter& filter, const Job& job);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_JOB_FILTER_H_
