// Strong types for numbers that must not be mixed up.
#ifndef SERVICES_COORDINATOR_CORE_IDS_H_
#define SERVICES_COORDINATOR_CORE_IDS_H_

#include <compare>
#include <cstdint>
#include <string>

namespace closewrite {

// A job. Rises with every job, never used again; 0: none.
struct JobId {
  int64_t value = 0;
  auto operator<=>(const JobId&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, JobId id) {
    return H::combine(std::move(h), id.value);
  }
};

// Rises with every lease of the same job; whatever carries an older one is refused. 0: never
// leased.
struct FencingToken {
  int64_t value = 0;
  auto operator<=>(const FencingToken&) const = default;
};

// The right of one session to run one job now.
struct Lease {
  JobId job;
  FencingToken token;
  auto operator<=>(const Lease&) const = default;
};

// An executor's presence: 32 hexadecimal digits, random.
using SessionId = std::string;

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_IDS_H_
