#include "services/executor/attempt_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::executor {
namespace {

constexpr size_t kTakeUpBytes = 1 << 20;  // that are looked at in one piece

}  // namespace

AttemptLog::AttemptLog(Options options) : options_(std::move(options)) {
  Fd file(open(options_.file.c_str(), O_RDWR | O_CLOEXEC));
  struct stat st;
  if (!file.ok() || fstat(file.get(), &st) != 0) return;
  file_ = std::move(file);
  // The last record may have been cut off in the middle.
  while (size_ < st.st_size) {
    const auto records =
        ReadLocked(size_, std::min<size_t>(kTakeUpBytes, static_cast<size_t>(st.st_size - size_)));
    const size_t whole = records.ok() ? WholeLogRecords(*records) : 0;
    if (whole == 0) return;
    size_ += static_cast<int64_t>(whole);
  }
}

void AttemptLog::Append(LogStream stream, std::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  if (closed_ || bytes.empty()) return;
  if (!file_.ok()) {
    file_ = Fd(open(options_.file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  }
  const int64_t room = std::max<int64_t>(0, options_.log_bytes_max - size_);
  const std::string_view kept = bytes.substr(0, static_cast<size_t>(room));
  const int64_t now_us = absl::ToUnixMicros(SteadyClock().Now());
  std::string records;
  AppendLogRecord(now_us, stream, kept, &records);
  if (kept.size() < bytes.size()) {
    AppendLogRecord(now_us, LogStream::kNote,
                    StrCat("[the log ends here; it has reached its limit of ",
                           options_.log_bytes_max, " bytes]\n"),
                    &records);
  }
  if (WriteLocked(records)) closed_ = kept.size() < bytes.size();
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
  absl::StatusOr<std::string> bytes =
      ReadLocked(offset, std::min<size_t>(bytes_max, static_cast<size_t>(size_ - offset)));
  if (bytes.ok()) bytes->resize(WholeLogRecords(*bytes));
  return bytes;
}

absl::StatusOr<std::string> AttemptLog::ReadLocked(int64_t offset, size_t size) const {
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t count =
        pread(file_.get(), bytes.data() + done, size - done, offset + static_cast<int64_t>(done));
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
