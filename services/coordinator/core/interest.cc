#include "services/coordinator/core/interest.h"

#include <algorithm>

namespace closewrite {

Interest InterestIn(const Fleet& fleet, const std::string& volume) {
  Interest interest;
  for (const auto& [name, pipeline] : fleet.pipelines) {
    if (pipeline->volume != volume) continue;
    interest.create = interest.create || TakesCreate(*pipeline);
    if (pipeline->quiet == absl::ZeroDuration()) continue;
    interest.quiet = interest.quiet == absl::ZeroDuration()
                         ? pipeline->quiet
                         : std::min(interest.quiet, pipeline->quiet);
  }
  return interest;
}

}  // namespace closewrite
