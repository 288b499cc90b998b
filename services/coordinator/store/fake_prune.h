// What of the fake store's rows may be forgotten; see StoreTransaction::Prune.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_PRUNE_H_
#define SERVICES_COORDINATOR_STORE_FAKE_PRUNE_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/store/fake_tables.h"

namespace closewrite {

// At most `limit`, by id. They look at every row: good enough for tests.
std::vector<JobId> ForgettableJobs(const FakeTables& tables, absl::Time before, int64_t limit);
// Erased in this order, they never uncover an older event that would look like the newest.
std::vector<int64_t> ForgettableEvents(const FakeTables& tables, absl::Time before, int64_t limit);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_PRUNE_H_
