// The buckets of rates, as they are kept in the store.
#ifndef SERVICES_COORDINATOR_CORE_RATE_BOOK_H_
#define SERVICES_COORDINATOR_CORE_RATE_BOOK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/rate.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// They are named by anybody, so there must be a limit.
inline constexpr int64_t kRatesMax = 1000;

struct StoredRate {
  std::string name;
  Rate rate;
  Bucket bucket;
  // From when on a call that is taken from the bucket already is a job's; InfiniteFuture: none is.
  absl::Time turn_at = absl::InfiniteFuture();
};

// By name.
std::vector<StoredRate> ListRates(StoreReader& reader);
std::optional<StoredRate> FindRate(StoreReader& reader, const std::string& name);

// Defines a rate, or changes it: what was taken stays taken. `rate` must be within its limits.
// RESOURCE_EXHAUSTED: there are too many.
absl::Status DefineRate(StoreTransaction& tx, const std::string& name, const Rate& rate,
                        absl::Time now);

// The same of a pipeline or a task that is applied, if it names one; jobs that wait for the rate
// are looked at again. Where there are too many rates it is its owner's own.
void DefineOwnRate(StoreTransaction& tx, Fleet* fleet, const std::optional<NamedRate>& rate,
                   absl::Time now);

struct RateRequest {
  std::string name;
  int64_t calls = 1;
  absl::Duration wait_max = absl::InfiniteDuration();
  std::optional<Rate> expected;  // defines one that there is not yet
};
// Takes calls, perhaps of the future: so whoever asks later comes later. Returns how long to wait.
// Errors as LockService.TakeRate says; RESOURCE_EXHAUSTED alone says so with `wait` set.
absl::Status TakeRate(StoreTransaction& tx, const RateRequest& request, absl::Time now,
                      absl::Duration* wait);

// When a job may make its call: `now`, and then the call is taken; or later, and then it is kept
// for the next job that asks, so programs that take many don't hold jobs up for ever. `rate` is for
// one that is not defined.
absl::Time TakeRateForJob(StoreTransaction& tx, const std::string& name, const Rate& rate,
                          absl::Time now);
// When TakeRateForJob would say `now`, as far as it is known.
absl::Time RateAllows(StoreReader& reader, const std::string& name, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_RATE_BOOK_H_
