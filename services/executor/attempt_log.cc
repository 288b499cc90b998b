#include "services/executor/attempt_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "services/log/str_cat.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMeasureBytes = 1 << 20;  // that are looked at in one piece
// Segments that may be dropped under our eyes in one read.
constexpr int kClaimsMax = 64;

// Up to `bytes_max` bytes; fewer at the end of the file.
absl::StatusOr<std::string> ReadAt(const Fd& file, int64_t position, size_t bytes_max) {
  struct stat st = {};
  if (fstat(file.get(), &st) != 0) return ErrnoStatus(errno, "stat", "a log");
  const int64_t there = std::max<int64_t>(0, st.st_size - position);
  std::string bytes(std::min(bytes_max, static_cast<size_t>(there)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = pread(file.get(), bytes.data() + done, bytes.size() - done,
                                position + static_cast<int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "read", "a log");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

absl::StatusOr<LogSegmentHeader> HeaderOf(const Fd& file) {
  LogSegmentHeader header = {};
  const ssize_t count = pread(file.get(), &header, sizeof header, 0);
  if (count < 0) return ErrnoStatus(errno, "read", "a log");
  if (count != sizeof header) return absl::NotFoundError("not written yet");
  return header;
}

struct Extent {
  int64_t records = 0;  // bytes, headers and all
  int64_t bytes = 0;    // of the command
};

Extent Measure(const Fd& file) {
  Extent extent;
  for (;;) {
    const auto piece = ReadAt(file, extent.records + static_cast<int64_t>(sizeof(LogSegmentHeader)),
                              kMeasureBytes);
    if (!piece.ok()) return extent;
    std::string_view rest = *piece;
    while (const auto record = TakeLogRecord(&rest)) {
      extent.bytes += static_cast<int64_t>(record->bytes.size());
    }
    if (rest.size() == piece->size()) return extent;
    extent.records += static_cast<int64_t>(piece->size() - rest.size());
  }
}

std::string NoteOf(int64_t left_out, int64_t time_us) {
  std::string note;
  if (left_out > 0) {
    AppendLogRecord(time_us, LogStream::kNote, StrCat("[", left_out, " bytes left out]\n"), &note);
  }
  return note;
}

}  // namespace

AttemptLog::AttemptLog(std::string folder) : folder_(std::move(folder)) {
  std::error_code none;
  for (fs::directory_iterator next(folder_, none), last; !none && next != last;
       next.increment(none)) {
    std::optional<Segment> segment = TakeUp(next->path().filename());
    if (segment.has_value()) segments_.push_back(*std::move(segment));
  }
  if (segments_.empty()) return;
  std::sort(segments_.begin(), segments_.end(),
            [](const Segment& a, const Segment& b) { return a.number < b.number; });
  acknowledged_ = segments_.front().base;
  end_ = segments_.back().records() + Measure(segments_.back().file).records;
}

std::optional<AttemptLog::Segment> AttemptLog::TakeUp(const std::string& name) const {
  long long number = 0;
  long long base = 0;
  long long left_out = 0;
  if (sscanf(name.c_str(), "%lld.%lld.%lld", &number, &base, &left_out) != 3) return std::nullopt;
  Segment segment = {.number = number, .base = base, .left_out = left_out, .note = {}, .file = {}};
  segment.file = Fd(open(File(name).c_str(), O_RDONLY | O_CLOEXEC));
  const auto header = HeaderOf(segment.file);
  if (!header.ok()) return std::nullopt;
  segment.note = NoteOf(left_out, header->time_us);
  return segment;
}

int64_t AttemptLog::start() const {
  absl::MutexLock lock(&mutex_);
  return segments_.empty() ? 0 : segments_.front().base;
}

int64_t AttemptLog::end() const {
  absl::MutexLock lock(&mutex_);
  return end_;
}

bool AttemptLog::HasMore(int64_t offset) const { return grown_ || offset < end(); }

void AttemptLog::NoteEnd(int64_t bytes, int64_t time_us) {
  absl::MutexLock lock(&mutex_);
  bytes_in_all_ = bytes;
  ended_us_ = time_us;
  grown_ = true;
}

absl::StatusOr<std::string> AttemptLog::Read(int64_t offset, size_t bytes_max) {
  absl::MutexLock lock(&mutex_);
  grown_ = false;  // first: what comes from now on is told again
  for (int claims = 0; claims < kClaimsMax; ++claims) {
    const auto after =
        std::find_if(segments_.begin(), segments_.end(),
                     [offset](const Segment& segment) { return segment.base > offset; });
    if (after != segments_.begin()) {
      const Segment& segment = *std::prev(after);
      if (offset < segment.records()) {
        grown_ = true;
        end_ = std::max(end_, segment.records());
        return segment.note;
      }
      auto bytes =
          segment.file.ok()
              ? ReadAt(segment.file,
                       offset - segment.records() + static_cast<int64_t>(sizeof(LogSegmentHeader)),
                       bytes_max)
              : std::string();
      if (!bytes.ok()) return bytes;
      bytes->resize(WholeLogRecords(*bytes));
      if (!bytes->empty()) {
        grown_ = true;
        end_ = std::max(end_, offset + static_cast<int64_t>(bytes->size()));
        return bytes;
      }
    }
    absl::StatusOr<Next> next = ClaimNext(offset);
    if (!next.ok()) return next.status();
    if (*next == Next::kNone) next = ClaimEnd(offset);
    if (*next == Next::kNone) return std::string();
  }
  grown_ = true;
  return std::string();
}

// The next one that was not claimed yet.
std::optional<int64_t> AttemptLog::NextNumber() const {
  const int64_t last = segments_.empty() ? -1 : segments_.back().number;
  std::optional<int64_t> next;
  std::error_code none;
  for (fs::directory_iterator entry(folder_, none), end; !none && entry != end;
       entry.increment(none)) {
    const std::string name = entry->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const int64_t number = std::atoll(name.c_str());
    if (number > last && number < next.value_or(INT64_MAX)) next = number;
  }
  return next;
}

absl::StatusOr<AttemptLog::Next> AttemptLog::ClaimNext(int64_t base) {
  const std::optional<int64_t> number = NextNumber();
  if (!number.has_value()) return Next::kNone;
  if (!segments_.empty()) {
    // It may have grown, for a last time, since it was read.
    const Segment& last = segments_.back();
    if (base < last.records() + Measure(last.file).records) return Next::kAgain;
  }
  const std::string name = StrCat(*number);
  Fd file(open(File(name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok() && errno == ENOENT) return Next::kAgain;  // it was dropped
  if (!file.ok()) return ErrnoStatus(errno, "open", File(name));
  const auto header = HeaderOf(file);
  if (absl::IsNotFound(header.status())) return Next::kNone;
  if (!header.ok()) return header.status();
  const int64_t left_out = std::max<int64_t>(0, header->bytes_before - BytesSoFar());
  const std::string claimed = StrCat(name, ".", base, ".", left_out);
  if (rename(File(name).c_str(), File(claimed).c_str()) != 0) {
    if (errno == ENOENT) return Next::kAgain;
    return ErrnoStatus(errno, "rename", File(name));
  }
  segments_.push_back({.number = *number,
                       .base = base,
                       .left_out = left_out,
                       .note = NoteOf(left_out, header->time_us),
                       .file = std::move(file)});
  RemoveAcknowledged();
  return Next::kClaimed;
}

AttemptLog::Next AttemptLog::ClaimEnd(int64_t base) {
  if (!bytes_in_all_.has_value()) return Next::kNone;
  if (!segments_.empty() && !segments_.back().file.ok()) return Next::kNone;  // it is claimed
  const int64_t left_out = *bytes_in_all_ - BytesSoFar();
  if (left_out <= 0) return Next::kNone;
  segments_.push_back({.number = segments_.empty() ? 0 : segments_.back().number + 1,
                       .base = base,
                       .left_out = left_out,
                       .note = NoteOf(left_out, ended_us_),
                       .file = {}});
  return Next::kClaimed;
}

int64_t AttemptLog::BytesSoFar() const {
  if (segments_.empty()) return 0;
  const auto header = HeaderOf(segments_.back().file);
  return (header.ok() ? header->bytes_before : 0) + Measure(segments_.back().file).bytes;
}

void AttemptLog::Acknowledge(int64_t offset) {
  absl::MutexLock lock(&mutex_);
  acknowledged_ = std::max(acknowledged_, offset);
  RemoveAcknowledged();
}

// The last one stays, for it says where the next begins.
void AttemptLog::RemoveAcknowledged() {
  while (segments_.size() > 1 && segments_[1].file.ok() && segments_[1].base <= acknowledged_) {
    const Segment& done = segments_.front();
    unlink(File(StrCat(done.number, ".", done.base, ".", done.left_out)).c_str());
    segments_.pop_front();
  }
}

int64_t AttemptLog::size() const {
  int64_t size = 0;
  std::error_code none;
  for (fs::directory_iterator entry(folder_, none), end; !none && entry != end;
       entry.increment(none)) {
    std::error_code gone;
    const auto bytes = entry->file_size(gone);
    if (!gone) size += static_cast<int64_t>(bytes);
  }
  return size;
}

void AttemptLog::Remove() {
  absl::MutexLock lock(&mutex_);
  segments_.clear();
  end_ = 0;
  bytes_in_all_.reset();
  grown_ = false;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace closewrite::executor
