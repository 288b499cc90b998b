#include "services/watcher/drain_thread.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/log/log.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr absl::Duration kBatchPause = absl::Microseconds(500);
constexpr absl::Duration kIdleAfter = absl::Milliseconds(2);
// A single file is read at once: its creation and its close are two or three reads.
constexpr int kQuickReads = 4;
constexpr int kNice = -10;

void RaisePriority() {
  sched_param parameter = {};
  parameter.sched_priority = 1;
  const pid_t thread = static_cast<pid_t>(syscall(SYS_gettid));
  if (sched_setscheduler(thread, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) == 0) return;
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kNice) == 0) return;
  LogDebug("the event reader has no higher priority than the writers (needs CAP_SYS_NICE)");
}

}  // namespace

bool MayRaisePriority() {
  sched_param parameter = {};
  parameter.sched_priority = 1;
  if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) != 0) return false;
  parameter.sched_priority = 0;
  return sched_setscheduler(0, SCHED_OTHER, &parameter) == 0;
}

DrainThread::DrainThread(int source, EventQueue* queue, Decode decode)
    : source_(source),
      queue_(queue),
      decode_(std::move(decode)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      buffer_(kReadBytes) {}

DrainThread::~DrainThread() { Shutdown(); }

absl::Status DrainThread::status() const {
  return wake_.ok() ? absl::OkStatus() : absl::ResourceExhaustedError("no file descriptor is left");
}

void DrainThread::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void DrainThread::Shutdown() {
  stopping_ = true;
  Notify();
  if (thread_.joinable()) thread_.join();
}

void DrainThread::Notify() {
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the thread wakes up anyway.
  [[maybe_unused]] const ssize_t ignored = write(wake_.get(), &one, sizeof(one));
}

void DrainThread::Barrier(int64_t barrier) {
  {
    absl::MutexLock lock(&mutex_);
    barriers_.push_back(barrier);
  }
  Notify();
}

void DrainThread::Run() {
  RaisePriority();
  absl::Duration last_event = absl::ZeroDuration();
  int quick_reads = 0;
  while (true) {
    pollfd files[2] = {{source_, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(files, 2, -1) < 0 && errno != EINTR) break;
    if (stopping_) return;
    if (files[1].revents != 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t ignored = read(wake_.get(), &count, sizeof(count));
      ServeBarriers();
    }
    if (files[0].revents == 0) continue;
    quick_reads = SinceBoot() - last_event < kIdleAfter ? quick_reads + 1 : 0;
    if (quick_reads >= kQuickReads) {
      const timespec pause = absl::ToTimespec(kBatchPause);
      nanosleep(&pause, nullptr);
    }
    last_event = SinceBoot();
    if (ReadOnce() < 0) break;
  }
  queue_->MarkFailed();
}

int64_t DrainThread::ReadOnce() {
  const ssize_t got = read(source_, buffer_.data(), buffer_.size());
  if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  DecodedEvents decoded;
  const int64_t drained =
      decode_(std::string_view(buffer_.data(), static_cast<size_t>(got)), &decoded);
  if (!decoded.events.empty()) queue_->Push(std::move(decoded.events));
  if (decoded.overflowed) queue_->MarkOverflow();
  if (decoded.unnamed) queue_->MarkUnnamed();
  return drained;
}

void DrainThread::ServeBarriers() {
  std::vector<int64_t> barriers;
  {
    absl::MutexLock lock(&mutex_);
    barriers.swap(barriers_);
  }
  if (barriers.empty()) return;
  int waiting = 0;
  if (ioctl(source_, FIONREAD, &waiting) != 0) waiting = 0;
  for (int64_t left = waiting; left > 0;) {
    const int64_t got = ReadOnce();
    if (got <= 0) break;
    left -= got;
  }
  std::vector<RawEvent> marks;
  for (const int64_t barrier : barriers) {
    RawEvent mark;
    mark.barrier = barrier;
    marks.push_back(std::move(mark));
  }
  queue_->Push(std::move(marks));
}

}  // namespace closewrite::watcher
