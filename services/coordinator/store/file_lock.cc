#include "services/coordinator/store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

constexpr size_t kHolderBytesMax = 32;

// The process id that the holder wrote; for the message only.
std::string HolderOf(int fd) {
  char buffer[kHolderBytesMax];
  const ssize_t got = pread(fd, buffer, sizeof(buffer), 0);
  if (got <= 0) return "unknown";
  std::string holder(buffer, static_cast<size_t>(got));
  absl::StripAsciiWhitespace(&holder);
  for (const char c : holder) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return "unknown";
  }
  return holder.empty() ? "unknown" : holder;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Acquire(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return absl::UnavailableError(absl::StrCat("cannot open the lock file ", path, ": ",
                                               strerror(errno),
                                               "; its folder must exist and be writable"));
  }
  // The descriptor is owned from here on; a failure below closes it.
  std::unique_ptr<FileLock> lock = absl::WrapUnique(new FileLock(fd));
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(absl::StrCat("another process (pid ", HolderOf(fd),
                                                      ") holds the lock ", path,
                                                      "; stop it, or configure another store"));
  }
  if (result != 0) {
    return absl::UnavailableError(absl::StrCat("cannot lock ", path, ": ", strerror(errno),
                                               "; the store must lie on a local file system"));
  }
  // Who holds it is only told in messages, so a failure to write it down does no harm.
  const std::string holder = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) == 0 && pwrite(fd, holder.data(), holder.size(), 0) < 0) errno = 0;
  return lock;
}

FileLock::~FileLock() { close(fd_); }

}  // namespace closewrite
