// What a story comes down to, and what can be done: the first lines of Explain.
#ifndef SERVICES_COORDINATOR_API_VERDICT_H_
#define SERVICES_COORDINATOR_API_VERDICT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "closewrite/v1/file.pb.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// A running command that has printed nothing for so long is said to be silent.
inline constexpr absl::Duration kSilentAfter = absl::Seconds(10);
// Of several jobs of a file so many are told of in the verdict.
inline constexpr size_t kVerdictJobsMax = 3;

// Sentences, the most telling first. Both may be empty.
struct Findings {
  std::vector<std::string> verdict;
  std::vector<std::string> advice;

  void Add(const Findings& other);
};

// Of one job, in any state.
Findings FindingsOf(const Job& job, const Fleet& fleet, StoreReader& reader, absl::Time now);

// What is wrong with the way of a file to the coordinator: nobody watches the volume, its watcher
// is away or blind, or the file itself is not what would be announced. `look`: what its watcher
// finds, if it answered. Empty when all is well.
Findings FindingsOf(const std::string& volume, const std::string& path, const Fleet& fleet,
                    const std::optional<v1::FileLook>& look, absl::Time now);

// The watcher that reported the volume last, the connected one first; nullptr: none has.
const Watcher* WatcherOf(const Fleet& fleet, const std::string& volume);
// Its report of a volume that it has reported.
const VolumeReport& ReportOf(const Watcher& watcher, const std::string& volume);
// Names of all that were ever reported.
std::vector<std::string> KnownVolumes(const Fleet& fleet);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_VERDICT_H_
