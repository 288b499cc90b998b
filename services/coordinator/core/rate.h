// A named token bucket for the fleet: `limit` calls per `period`. Pure.
//
// A bucket that was full gives `limit` at once, and one more each `period / limit`: so in a period
// after a quiet one up to twice the limit pass, and in the long run the limit. State is one time.
#ifndef SERVICES_COORDINATOR_CORE_RATE_H_
#define SERVICES_COORDINATOR_CORE_RATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace closewrite {

inline constexpr int64_t kRateLimitMax = 1'000'000;
inline constexpr absl::Duration kRatePeriodMin = absl::Milliseconds(1);
inline constexpr absl::Duration kRatePeriodMax = absl::Hours(24 * 366);

struct Rate {
  int64_t limit = 1;
  absl::Duration period = absl::Seconds(1);
};

// INVALID_ARGUMENT when it is out of the limits above.
absl::Status CheckRate(const Rate& rate);

// As a pipeline or a task names it.
struct NamedRate {
  std::string name;
  Rate rate;
};

struct Bucket {
  // When it will be full; any time that has passed means that it is full.
  absl::Time full_at = absl::InfinitePast();
};

// How many calls may be made at `now`.
int64_t Available(const Rate& rate, const Bucket& bucket, absl::Time now);
// The earliest time, `now` or later, at which `calls` may be made at once; InfiniteFuture when they
// are more than the limit.
absl::Time AllowedAt(const Rate& rate, const Bucket& bucket, absl::Time now, int64_t calls);
// The bucket after `calls` that were made at `now`, when they were allowed.
Bucket After(const Rate& rate, const Bucket& bucket, absl::Time now, int64_t calls);
// The bucket when its rate has changed: it is as full as before in calls that it gives at once.
Bucket WithRate(const Rate& from, const Rate& to, const Bucket& bucket, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_RATE_H_
