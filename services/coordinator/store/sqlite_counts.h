// How many jobs the SQLite store has.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_COUNTS_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_COUNTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// As StoreReader::CountJobs says; `status` takes the first error.
std::vector<JobCount> ReadJobCounts(SqliteConnection* connection, int64_t limit,
                                    absl::Status* status);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_COUNTS_H_
