// Why a job waits (P7), for programs and for people.
#ifndef SERVICES_COORDINATOR_CORE_WAITING_H_
#define SERVICES_COORDINATOR_CORE_WAITING_H_

#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// The same numbers as WaitingReason in job.proto.
enum class WaitingReason {
  kNone = 0,
  kSettling = 1,
  kBackoff = 2,
  kEarlierVersion = 3,
  kLock = 4,
  kNoExecutor = 5,
  kNoSlot = 6,
  kNoWatcher = 7,
  kPublishing = 8,
  kNoPipeline = 9,
  kReattach = 10,
  kVolumeUnusable = 11,
  kRate = 12,
};

struct Waiting {
  WaitingReason reason = WaitingReason::kNone;
  std::string message;
};

// kNone for jobs that run or are final, and for those that nothing but the next step stands before:
// then `message` says so. `reader` is asked for the place in line.
Waiting WhyWaiting(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_WAITING_H_
