// The query behind ListJobs, which is made up for each filter.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_

#include <cstdint>
#include <string>

#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

struct PostgresJobList {
  std::string sql;  // "" when no job can be in it
  PostgresParams params;
};

// Jobs by descending id; see StoreReader::ListJobs.
PostgresJobList ListJobsQuery(const JobFilter& filter, JobId before, int64_t limit);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_
