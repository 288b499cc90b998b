// What a watcher's configuration must fulfil before anything is started.
#ifndef SERVICES_WATCHER_WATCHER_CONFIG_H_
#define SERVICES_WATCHER_WATCHER_CONFIG_H_

#include "absl/status/status.h"
#include "closewrite/v1/config.pb.h"

namespace closewrite::watcher {

inline constexpr int kVolumesMax = 64;

// Fills in defaults: `listen`, and each volume's `ignore`.
void SetDefaults(v1::WatcherConfig* config);

// Checks names, addresses and globs, that every volume is a readable folder of a local file system,
// that none lies in another, and that `state` lies in none. Makes the state directory when
// everything else is right. The message of an error is one line that says what to do.
absl::Status CheckConfig(const v1::WatcherConfig& config);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WATCHER_CONFIG_H_
