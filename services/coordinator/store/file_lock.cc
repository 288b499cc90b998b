#include "services/coordinator/store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace closewrite {
namespace {

constexpr size_t kFileBytesMax = 512;

// Two lines: the holder's process id, and its note.
std::pair<std::string, std::string> LinesOf(int fd) {
  char buffer[kFileBytesMax];
  const ssize_t got = pread(fd, buffer, sizeof(buffer), 0);
  if (got <= 0) return {};
  return absl::StrSplit(absl::string_view(buffer, static_cast<size_t>(got)),
                        absl::MaxSplits('\n', 1));
}

// The process id that the holder wrote; for the message only.
std::string HolderOf(int fd) {
  std::string holder = LinesOf(fd).first;
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
  std::string note = LinesOf(fd).second;
  absl::StripAsciiWhitespace(&note);
  lock->SetNote(note);
  return lock;
}

void FileLock::SetNote(const std::string& note) {
  note_ = note;
  // Nothing depends on what is written here, so a failure does no harm.
  const std::string text = absl::StrCat(getpid(), "\n", note, "\n");
  if (ftruncate(fd_, 0) == 0 && pwrite(fd_, text.data(), text.size(), 0) < 0) errno = 0;
}

FileLock::~FileLock() { close(fd_); }

}  // namespace closewrite
