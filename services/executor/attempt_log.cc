#include "services/executor/attempt_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {

AttemptLog::AttemptLog(Options options) : options_(std::move(options)) {
  Fd file(open(options_.file.c_str(), O_RDWR | O_CLOEXEC));
  struct stat st;
  if (file.ok() && fstat(file.get(), &st) == 0) {
    size_ = st.st_size;
    file_ = std::move(file);
  }
}

void AttemptLog::Append(std::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  if (closed_ || bytes.empty()) return;
  if (!file_.ok()) {
    file_ = Fd(open(options_.file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  }
  const int64_t room = std::max<int64_t>(0, options_.log_bytes_max - size_);
  const std::string_view kept = bytes.substr(0, static_cast<size_t>(room));
  if (!WriteLocked(kept)) return;
  if (kept.size() == bytes.size()) return;
  WriteLocked(StrCat("\nclosewrite: the log ends here; it has reached its limit of ",
                     options_.log_bytes_max, " bytes\n"));
  closed_ = true;
}

bool AttemptLog::WriteLocked(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(file_.get(), bytes.data(), bytes.size(), size_);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      LogError("a log can't be written; free some space for it",
               {{"file", options_.file}, {"error", strerror(errno)}});
      closed_ = true;
      return false;
    }
    size_ += count;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

int64_t AttemptLog::size() const {
  absl::MutexLock lock(&mutex_);
  return size_;
}

absl::StatusOr<std::string> AttemptLog::Read(int64_t offset, size_t bytes_max) const {
  absl::MutexLock lock(&mutex_);
  if (offset >= size_) return std::string();
  std::string bytes(std::min<size_t>(bytes_max, static_cast<size_t>(size_ - offset)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        pread(file_.get(), bytes.data() + done, bytes.size() - done, offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ErrnoStatus(count < 0 ? errno : EIO, "read", options_.file);
    done += static_cast<size_t>(count);
  }
  return bytes;
}

void AttemptLog::Remove() {
  absl::MutexLock lock(&mutex_);
  if (file_.ok()) unlink(options_.file.c_str());
  file_.Reset();
  size_ = 0;
  closed_ = true;
}

}  // namespace closewrite::executor
