// Reads and locks, in one round trip, rows that a transaction is about to need.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_FETCH_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_FETCH_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_memory.h"
#include "services/coordinator/store/postgres_wire.h"
#include "services/coordinator/store/postgres_working_set.h"

namespace closewrite {

// All sets are sorted, and rows are locked in their order, so that transactions that want the same
// rows hardly ever wait for each other in a circle.
struct PostgresWanted {
  std::set<PostgresHash> requests;
  std::set<SessionId> sessions;
  std::set<std::string> watchers;  // by host
  std::set<PostgresHash> files;    // with the unfinished jobs of each
  std::set<JobId> jobs;
  std::set<JobId> followers;    // of these jobs
  std::set<SessionId> leases;   // of these sessions
  std::set<PostgresHash> keys;  // whose they are
  std::set<Lease> logs;         // their lengths
  std::set<JobId> attempts;     // the newest ones of these jobs, which are being published
  std::set<int64_t> events;     // as the newest of their files
  std::map<std::string, int64_t> sequences;  // by ledger: the first one
  int64_t job_ids = 0;
  int64_t event_ids = 0;
};

// Sequences of a ledger that are looked up at once: a watcher sends them in order.
inline constexpr int64_t kSequencesAtOnce = 10000;

// Where a transaction keeps what it fetches. None is owned.
struct PostgresFetchInto {
  PostgresWorkingSet* set;
  PostgresMemory* memory;
  // Whose the keys are that were looked up and are not free.
  absl::flat_hash_map<PostgresHash, JobId>* key_owners;
  absl::Time now;
};

// Fetches what is wanted and not known yet into the working set, locked where store.h says so.
absl::Status Fetch(PostgresConnection* connection, const PostgresWanted& wanted,
                   const PostgresFetchInto& into);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_FETCH_H_
