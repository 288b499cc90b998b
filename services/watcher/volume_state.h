// The state of a volume, in a word and a sentence.
#ifndef SERVICES_WATCHER_VOLUME_STATE_H_
#define SERVICES_WATCHER_VOLUME_STATE_H_

#include <cstdint>
#include <string>

#include "services/watcher/canary.h"
#include "services/watcher/volume_report.h"
#include "services/watcher/watched_tree.h"

namespace closewrite::watcher {

// What decides it.
struct VolumeState {
  std::string lost;          // why; empty: it is not
  std::string ledger_error;  // empty: none
  const WatchedTree* tree;   // null while there is no root
  const Canary* canary;      // null: the volume is polled
  bool overflowing = false;  // again and again
  bool scanning = false;     // the whole volume
  bool overlay = false;      // its root lies on overlayfs
};

// Sets `state` and `message` of the report.
void Describe(const VolumeState& state, VolumeReport* report);

// What to write so that so many more directories can be watched: a whole sysctl command.
std::string WatchesCure(int64_t unwatched);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VOLUME_STATE_H_
