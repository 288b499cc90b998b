// What pipelines want of a volume beyond finished, renamed and removed files.
#ifndef SERVICES_COORDINATOR_CORE_INTEREST_H_
#define SERVICES_COORDINATOR_CORE_INTEREST_H_

#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"

namespace closewrite {

struct Interest {
  bool create = false;   // names, before their content is there
  absl::Duration quiet;  // the shortest that a pipeline waits; zero: not wanted
  bool operator==(const Interest&) const = default;
  bool empty() const { return !create && quiet == absl::ZeroDuration(); }
};

Interest InterestIn(const Fleet& fleet, const std::string& volume);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_INTEREST_H_
