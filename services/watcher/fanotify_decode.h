// What read(2) brings from fanotify(7) with FAN_REPORT_DFID_NAME and FAN_REPORT_FID.
#ifndef SERVICES_WATCHER_FANOTIFY_DECODE_H_
#define SERVICES_WATCHER_FANOTIFY_DECODE_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace closewrite::watcher {

// One event. The views point into the bytes that were decoded. A handle is a whole struct
// file_handle (open_by_handle_at(2)), as name_to_handle_at(2) fills it.
struct FanotifyEvent {
  uint64_t mask = 0;
  std::string_view directory;  // handle; with FAN_RENAME that of the old name. "": not told
  std::string_view name;       // "" for the directory itself
  std::string_view new_directory;
  std::string_view new_name;
};

// Whole events only: stops at a part that is cut short or of another version, which the kernel
// never sends.
std::vector<FanotifyEvent> DecodeFanotify(std::string_view bytes);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FANOTIFY_DECODE_H_
