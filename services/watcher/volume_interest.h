// What the coordinator's pipelines want of a volume beyond finished, renamed and removed files.
#ifndef SERVICES_WATCHER_VOLUME_INTEREST_H_
#define SERVICES_WATCHER_VOLUME_INTEREST_H_

#include <string>

#include "absl/time/time.h"

namespace closewrite::watcher {

struct VolumeInterest {
  std::string volume;
  bool create = false;   // names that appear, before their content is there
  absl::Duration quiet;  // files that have not changed for so long; zero: not wanted
  bool operator==(const VolumeInterest&) const = default;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_INTEREST_H_
