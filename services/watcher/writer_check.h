// Does anyone still have this file open for writing?
#ifndef SERVICES_WATCHER_WRITER_CHECK_H_
#define SERVICES_WATCHER_WRITER_CHECK_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "services/watcher/file_change.h"

namespace closewrite::watcher {

enum class WriterState {
  kFree,       // a read lease was granted: nobody has it open for writing, nor mapped writable
  kWritten,    // somebody has
  kUnchecked,  // can't be told: not the file's owner and no CAP_LEASE, no leases on this file
               // system, or no permission to open the file
};

struct CheckedFile {
  WriterState state = WriterState::kUnchecked;
  // As it was while the lease was held, so that no writer can have come in between.
  ContentVersion version;
  int64_t links = 0;
};

// Opens the regular file `path` below `root` and asks for a read lease, which the kernel refuses
// while a writer is left (fcntl(2), F_SETLEASE). The lease ends at once; a writer that
// opens the file meanwhile waits for some microseconds, and one that does so with O_NONBLOCK gets
// EWOULDBLOCK. NOT_FOUND when the file is gone; FAILED_PRECONDITION when it is no regular file.
// The process ignores SIGIO from the first call on. Thread-safe.
// With `lease` false it only looks (kUnchecked).
absl::StatusOr<CheckedFile> CheckWriter(int root, std::string_view path, bool lease = true);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_WRITER_CHECK_H_
