// What makes files and their names outlive a power cut.
#ifndef SERVICES_COORDINATOR_STORE_FILE_SYNC_H_
#define SERVICES_COORDINATOR_STORE_FILE_SYNC_H_

#include <string>

#include "absl/status/status.h"

namespace closewrite {

// The folder that a path names a file of.
std::string FolderOf(const std::string& path);

// UNAVAILABLE: it could not be done.
absl::Status SyncFile(const std::string& path);
absl::Status SyncFolder(const std::string& folder);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FILE_SYNC_H_
