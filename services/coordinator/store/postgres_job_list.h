// The queries behind lists of jobs: ListJobs', which is made up for each filter, and those that
// follow an index of their own.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

struct PostgresJobList {
  std::string sql;  // "" when no job can be in it
  PostgresParams params;
};

// Jobs by descending id; see StoreReader::ListJobs.
PostgresJobList ListJobsQuery(const JobFilter& filter, JobId before, int64_t limit);

// See StoreReader::ListFinished, ListFailed and OldestAvailable.
PostgresQuery FinishedQuery(absl::Time since, const FinishedPlace& before, int64_t limit);
PostgresQuery FailedQuery(const std::string& pipeline, absl::Time since, int64_t limit);
PostgresQuery OldestAvailableQuery(const std::string& pipeline);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_JOB_LIST_H_
