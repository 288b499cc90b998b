// What a person should know who waits for one file.
#ifndef SERVICES_WATCHER_FILE_LOOK_H_
#define SERVICES_WATCHER_FILE_LOOK_H_

#include <cstdint>
#include <string_view>

#include "closewrite/v1/file.pb.h"
#include "services/volume/ignore_list.h"

namespace closewrite::watcher {

// Of those that have a file open for writing, so many are named.
inline constexpr size_t kWritersNamedMax = 3;
// Processes that are searched for them, and descriptors of each.
inline constexpr int kProcessesMax = 100'000;
inline constexpr int kDescriptorsMax = 100'000;
// A message of gRPC has 4 MiB at most.
inline constexpr int64_t kLookContentBytesMax = 2 << 20;
// Names in a directory that are compared with one that is not there.
inline constexpr size_t kNamesComparedMax = 10'000;

// Looks at `path` below the directory `root`: whether it is there, is ignored, or is open for
// writing, and by whom, as far as this process may see others (proc(5)). Takes some 10 ms where
// there are thousands of processes. Thread-safe.
v1::FileLook LookAtFile(int root, const IgnoreList& ignore, std::string_view path);

// Adds the content of a finished file to what LookAtFile has found, unless it has more bytes than
// `bytes_max`, or than kLookContentBytesMax. Says nothing when it can't be read.
void AddContent(int root, std::string_view path, int64_t bytes_max, v1::FileLook* look);

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FILE_LOOK_H_
