// The last lines of a log: what tells most about a failure.
#ifndef SERVICES_COORDINATOR_API_LOG_END_H_
#define SERVICES_COORDINATOR_API_LOG_END_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

inline constexpr size_t kLogEndLines = 5;
inline constexpr size_t kLogEndBytesMax = 4 << 10;

// True when its log may tell why it did not succeed.
bool WentWrong(const Attempt& attempt);

struct LogEnd {
  std::vector<std::string> lines;        // for people (see Display)
  absl::Time at = absl::InfinitePast();  // when the last part came; that: not known
};

// The last lines, of the last bytes. Empty when nothing was logged. `attempt.log_bytes` need not be
// filled in.
LogEnd ReadLogEnd(StoreReader& reader, const Attempt& attempt, size_t lines_max = kLogEndLines,
                  size_t bytes_max = kLogEndBytesMax);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_LOG_END_H_
