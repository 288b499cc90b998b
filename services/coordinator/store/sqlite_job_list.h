// Lists of the SQLite store's jobs that follow an index of their own. Each function takes an open
// connection, and fails as SqliteQuery does: it gives nothing then.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_JOB_LIST_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_JOB_LIST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// As StoreReader::ListFinished, ListFailed and OldestAvailable say.
std::vector<Job> ReadFinishedJobs(SqliteConnection* connection, absl::Time since,
                                  const FinishedPlace& before, int64_t limit, absl::Status* status);
std::vector<Job> ReadFailedJobs(SqliteConnection* connection, const std::string& pipeline,
                                absl::Time since, int64_t limit, absl::Status* status);
// 0: there is none.
JobId ReadOldestAvailable(SqliteConnection* connection, const std::string& pipeline,
                          absl::Status* status);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_JOB_LIST_H_
