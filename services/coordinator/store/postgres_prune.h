// Forgets old jobs and events of the PostgreSQL store.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_PRUNE_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_PRUNE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/store/postgres_connection.h"

namespace closewrite {

// How far the tables were looked through. What is kept for its own sake is not looked at again
// before everything else was.
struct PostgresPruneCursor {
  absl::Time finished_at = absl::InfinitePast();
  int64_t job_id = 0;
  int64_t event_id = 0;
};

// Rows that one call looks at, of jobs and of events; with that many it says "nothing" although
// there may be more, and goes on with the next call.
inline constexpr int64_t kPruneRowsMax = 5000;

// See StoreTransaction::Prune. Everything that the transaction has written must be in the database.
absl::StatusOr<int64_t> PrunePostgres(PostgresConnection* connection, absl::Time before,
                                      int64_t limit, PostgresPruneCursor* cursor);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_PRUNE_H_
