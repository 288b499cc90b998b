// What read(2) brings from inotify(7).
#ifndef SERVICES_WATCHER_INOTIFY_DECODE_H_
#define SERVICES_WATCHER_INOTIFY_DECODE_H_

#include <string_view>

#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

// Appends the events in `bytes`. Stops at a part that is cut short, which the kernel never sends.
void DecodeInotify(std::string_view bytes, DecodedEvents* decoded);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_INOTIFY_DECODE_H_
