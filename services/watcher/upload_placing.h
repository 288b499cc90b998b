// Moves an upload to its name, where no file may be yet.
#ifndef SERVICES_WATCHER_UPLOAD_PLACING_H_
#define SERVICES_WATCHER_UPLOAD_PLACING_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace closewrite::watcher {

struct UploadTask {
  int64_t number = 0;
  std::string path;  // its final name, relative to the volume's root
  int64_t size = 0;
  std::string sha256;  // 32 bytes
};

// Verifies size and SHA-256 of `.closewrite/staging/0/<number>/content` below `root`, makes the
// directories above its name, moves it there and syncs. Repeating it does no harm: the staging
// directory stays until it is swept, and a file that has left it is in place.
//
// ALREADY_EXISTS: something has that name; nothing was changed. INVALID_ARGUMENT, NOT_FOUND,
// FAILED_PRECONDITION: can never be done. Others may pass by themselves.
absl::Status PlaceUpload(int root, const UploadTask& task);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_UPLOAD_PLACING_H_
