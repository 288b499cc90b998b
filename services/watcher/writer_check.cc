#include "services/watcher/writer_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::watcher {

namespace {

// A lease that is broken by an opener sends SIGIO, which would end the process (fcntl(2)).
void IgnoreBrokenLeases() {
  [[maybe_unused]] static const bool ignored = signal(SIGIO, SIG_IGN) != SIG_ERR;
}

}  // namespace

absl::StatusOr<CheckedFile> CheckWriter(int root, std::string_view path, bool lease) {
  IgnoreBrokenLeases();
  CheckedFile checked;
  absl::StatusOr<Fd> fd =
      lease ? OpenFileBeneath(root, path, O_RDONLY) : OpenBeneath(root, path, O_PATH | O_NOFOLLOW);
  bool leased = false;
  if (absl::IsPermissionDenied(fd.status())) {
    fd = OpenBeneath(root, path, O_PATH | O_NOFOLLOW);
    if (!fd.ok()) return fd.status();
  } else if (!fd.ok()) {
    return fd.status();
  } else if (lease) {
    leased = fcntl(fd->get(), F_SETLEASE, F_RDLCK) == 0;
    if (leased) {
      checked.state = WriterState::kFree;
    } else if (errno == EAGAIN) {
      checked.state = WriterState::kWritten;
    }
  }
  struct stat st;
  const int stat_error = fstat(fd->get(), &st) == 0 ? 0 : errno;
  // The lease ends with the descriptor.
  if (stat_error != 0) return ErrnoStatus(stat_error, "stat", path);
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(
        StrCat(Display(path), " is ", KindOf(st.st_mode), ", not a regular file"));
  }
  if (st.st_nlink == 0) return absl::NotFoundError(StrCat(Display(path), " was removed"));
  checked.version = ContentVersion::Of(st);
  checked.links = static_cast<int64_t>(st.st_nlink);
  return checked;
}

}  // namespace closewrite::watcher
