#include "services/executor/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace closewrite::executor {
namespace {

constexpr int64_t kHeaderBytes = sizeof(LogSegmentHeader);

struct Name {
  explicit Name(int64_t number) { snprintf(text, sizeof text, "%lld", (long long)number); }
  char text[24];
};

bool WriteAll(int file, const void* data, int64_t size, int64_t position) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = pwrite(file, next, static_cast<size_t>(size), position);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    next += count;
    size -= count;
    position += count;
  }
  return true;
}

}  // namespace

LogWriter::~LogWriter() {
  if (segment_ >= 0) close(segment_);
  if (folder_ >= 0) close(folder_);
}

ssize_t LogWriter::Copy(int pipe, LogStream stream, int64_t now_us) {
  const ssize_t count = read(pipe, record_.bytes, sizeof record_.bytes);
  if (count <= 0) return count;
  const auto bytes = static_cast<uint32_t>(count);
  record_.header = {.time_us = now_us, .bytes = bytes, .stream = stream, .unused = {}};
  if (!Append(bytes)) GiveSegmentUp();
  bytes_ += count;
  return count;
}

bool LogWriter::Append(uint32_t bytes) {
  const int64_t size = static_cast<int64_t>(sizeof record_.header) + bytes;
  if (!HasRoomFor(size) || !WriteAll(segment_, &record_, size, position_)) return false;
  position_ += size;
  return true;
}

bool LogWriter::HasRoomFor(int64_t size) {
  if (segment_ >= 0 && position_ + size <= kLogSegmentBytesMax) return true;
  if (segment_ >= 0) {
    close(segment_);
    segment_ = -1;
    ++number_;
  }
  return OpenSegment();
}

bool LogWriter::OpenSegment() {
  if (folder_ < 0) {
    if (mkdirat(parent_, name_, 0700) != 0 && errno != EEXIST) return false;
    folder_ = openat(parent_, name_, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) return false;
  }
  segment_ = openat(folder_, Name(number_).text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (segment_ < 0) return false;
  const LogSegmentHeader header = {.bytes_before = bytes_, .time_us = record_.header.time_us};
  position_ = kHeaderBytes;
  DropOld();
  return WriteAll(segment_, &header, kHeaderBytes, 0);
}

// What was written in part can't be written again: a reader may just look at it. So the record that
// failed is cut off, and the next one begins another segment.
void LogWriter::GiveSegmentUp() {
  if (segment_ < 0) return;
  if (position_ == kHeaderBytes) {
    unlinkat(folder_, Name(number_).text, 0);
  } else {
    // Should it fail, what is at the end is no whole record.
    [[maybe_unused]] const int cut = ftruncate(segment_, position_);
  }
  close(segment_);
  segment_ = -1;
  ++number_;
}

void LogWriter::DropOld() {
  for (; number_ - next_drop_ >= kLogTailSegments; ++next_drop_) {
    unlinkat(folder_, Name(next_drop_).text, 0);  // fails when it is claimed, which is as well
  }
}

}  // namespace closewrite::executor
