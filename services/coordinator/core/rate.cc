#include "services/coordinator/core/rate.h"

#include <algorithm>

#include "services/log/str_cat.h"

namespace closewrite {
namespace {

// Until `calls` that were made are given back.
absl::Duration Refill(const Rate& rate, int64_t calls) { return rate.period * calls / rate.limit; }

// How long it takes until the bucket is full.
absl::Duration Missing(const Bucket& bucket, absl::Time now) {
  return std::max(bucket.full_at - now, absl::ZeroDuration());
}

}  // namespace

absl::Status CheckRate(const Rate& rate) {
  if (rate.limit < 1 || rate.limit > kRateLimitMax) {
    return absl::InvalidArgumentError(
        StrCat("rate: ", rate.limit, " calls; say 1 to ", kRateLimitMax));
  }
  if (rate.period < kRatePeriodMin || rate.period > kRatePeriodMax) {
    return absl::InvalidArgumentError(StrCat("rate: per ", absl::FormatDuration(rate.period),
                                             "; say ", absl::FormatDuration(kRatePeriodMin), " to ",
                                             absl::FormatDuration(kRatePeriodMax)));
  }
  return absl::OkStatus();
}

int64_t Available(const Rate& rate, const Bucket& bucket, absl::Time now) {
  const absl::Duration missing = Missing(bucket, now);
  int64_t calls = rate.limit;
  if (missing > absl::ZeroDuration()) {
    const double part = absl::FDivDuration(missing, rate.period);
    calls = std::clamp<int64_t>(
        rate.limit - static_cast<int64_t>(part * static_cast<double>(rate.limit)), 0, rate.limit);
  }
  // The division above is not exact; what it says must be what AllowedAt says.
  while (calls > 0 && AllowedAt(rate, bucket, now, calls) > now) --calls;
  return calls;
}

absl::Time AllowedAt(const Rate& rate, const Bucket& bucket, absl::Time now, int64_t calls) {
  if (calls > rate.limit) return absl::InfiniteFuture();
  return std::max(now, bucket.full_at + Refill(rate, calls) - rate.period);
}

Bucket After(const Rate& rate, const Bucket& bucket, absl::Time now, int64_t calls) {
  return {std::max(bucket.full_at, now) + Refill(rate, calls)};
}

Bucket WithRate(const Rate& from, const Rate& to, const Bucket& bucket, absl::Time now) {
  const int64_t missing = from.limit - Available(from, bucket, now);
  return {now + Refill(to, std::min(missing, to.limit))};
}

}  // namespace closewrite
