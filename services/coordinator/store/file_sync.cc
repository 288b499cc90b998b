#include "services/coordinator/store/file_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

absl::Status Sync(const std::string& path, int flags, const char* what) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot sync the ", what, " ", path, ": ", strerror(error), "; check the disk"));
}

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncFile(const std::string& path) { return Sync(path, O_RDONLY, "file"); }

absl::Status SyncFolder(const std::string& folder) {
  return Sync(folder, O_RDONLY | O_DIRECTORY, "folder");
}

}  // namespace closewrite
