// A staged file between its check and its rename: whoever wrote it may still have hands on it.
#ifndef SERVICES_WATCHER_VERIFIED_FILE_H_
#define SERVICES_WATCHER_VERIFIED_FILE_H_

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace closewrite::watcher {

// FAILED_PRECONDITION for a file that has another name as well. Its content could be changed by
// that name after it was published, and what is published would be somebody else's file, maybe one
// that the command could not even read.
absl::Status CheckSingleLink(const struct stat& st, std::string_view path);

// OK when `name` in `directory` still is the file that was `verified`. UNAVAILABLE when not: the
// next try says what it has become.
absl::Status CheckStillVerified(int directory, const std::string& name,
                                const struct stat& verified);

// After the rename: what was put in the file's place in the very last moment, a link or a pipe, is
// removed from `name` in `directory`; UNAVAILABLE. Another file stays: it may be somebody's who was
// quick.
absl::Status TakeBackUnlessFile(int directory, const std::string& name);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_VERIFIED_FILE_H_
