// The attempts of a job, with the one that runs.
#ifndef SERVICES_COORDINATOR_CORE_ATTEMPTS_H_
#define SERVICES_COORDINATOR_CORE_ATTEMPTS_H_

#include <optional>
#include <vector>

#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Oldest first; those that have ended, and the live one of a RUNNING job.
std::vector<Attempt> AttemptsOf(StoreReader& reader, const Job& job);
// The one of that token; nullopt when there is none.
std::optional<Attempt> AttemptOf(StoreReader& reader, const Job& job, FencingToken token);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_ATTEMPTS_H_
