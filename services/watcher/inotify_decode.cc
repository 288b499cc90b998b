#include "services/watcher/inotify_decode.h"

#include <string.h>
#include <sys/inotify.h>

#include <utility>

namespace closewrite::watcher {

void DecodeInotify(std::string_view bytes, DecodedEvents* decoded) {
  while (bytes.size() >= sizeof(inotify_event)) {
    inotify_event event;
    memcpy(&event, bytes.data(), sizeof(event));
    bytes.remove_prefix(sizeof(event));
    if (event.len > bytes.size()) return;
    const std::string_view name = bytes.substr(0, event.len);
    bytes.remove_prefix(event.len);
    if (event.mask & IN_Q_OVERFLOW) {
      decoded->overflowed = true;
      continue;
    }
    RawEvent raw;
    raw.watch = event.wd;
    raw.mask = event.mask;
    raw.cookie = event.cookie;
    raw.name = std::string(name.substr(0, name.find('\0')));
    decoded->events.push_back(std::move(raw));
  }
}

}  // namespace closewrite::watcher
