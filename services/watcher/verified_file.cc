#include "services/watcher/verified_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

bool Stat(int directory, const std::string& name, struct stat* st) {
  return fstatat(directory, name.c_str(), st, AT_SYMLINK_NOFOLLOW) == 0;
}

absl::Status Changed(const std::string& name) {
  return absl::UnavailableError(
      StrCat(Display(name), " was changed while it was published; it is looked at again"));
}

}  // namespace

absl::Status CheckSingleLink(const struct stat& st, std::string_view path) {
  if (st.st_nlink <= 1) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(Display(path), " is a hard link: the same file has ", st.st_nlink - 1,
             " more name(s), by which it could be changed later; copy it instead of linking it"));
}

absl::Status CheckStillVerified(int directory, const std::string& name,
                                const struct stat& verified) {
  struct stat st;
  // Gone is for the rename to find out.
  if (!Stat(directory, name, &st)) return absl::OkStatus();
  const bool same = S_ISREG(st.st_mode) && st.st_ino == verified.st_ino &&
                    st.st_dev == verified.st_dev && st.st_nlink <= 1 &&
                    st.st_size == verified.st_size && MtimeNs(st) == MtimeNs(verified);
  return same ? absl::OkStatus() : Changed(name);
}

absl::Status TakeBackUnlessFile(int directory, const std::string& name) {
  struct stat st;
  // A consumer may have taken it already, and have made a directory for it.
  if (!Stat(directory, name, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
    return absl::OkStatus();
  }
  unlinkat(directory, name.c_str(), 0);
  return Changed(name);
}

}  // namespace closewrite::watcher
