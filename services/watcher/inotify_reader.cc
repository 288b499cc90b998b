#include "services/watcher/inotify_reader.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr absl::Duration kBatchPause = absl::Microseconds(500);
constexpr absl::Duration kIdleAfter = absl::Milliseconds(100);
constexpr int kNice = -10;

// No IN_MODIFY, IN_ACCESS or IN_OPEN: they cost the writers, fill the kernel's queue, and our own
// reads would make events. No IN_DONT_FOLLOW: the watch goes by /proc/self/fd, which is a link.
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ATTRIB |
                           IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

void RaisePriority() {
  sched_param parameter = {};
  parameter.sched_priority = 1;
  const pid_t thread = static_cast<pid_t>(syscall(SYS_gettid));
  if (sched_setscheduler(thread, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) == 0) return;
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(thread), kNice) == 0) return;
  LogDebug("the event reader has no higher priority than the writers (needs CAP_SYS_NICE)");
}

}  // namespace

absl::StatusOr<std::unique_ptr<InotifyReader>> InotifyReader::Create(EventQueue* queue) {
  std::unique_ptr<InotifyReader> reader(new InotifyReader(queue));
  reader->inotify_ = Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!reader->inotify_.ok()) {
    if (errno == EMFILE) {
      return absl::ResourceExhaustedError(
          "this user has too many inotify instances; raise fs.inotify.max_user_instances (sysctl)");
    }
    return ErrnoStatus(errno, "use inotify in", "/proc/sys/fs/inotify");
  }
  reader->wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!reader->wake_.ok()) return ErrnoStatus(errno, "make", "eventfd");
  reader->buffer_.resize(kReadBytes);
  return reader;
}

InotifyReader::~InotifyReader() { Shutdown(); }

void InotifyReader::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void InotifyReader::Shutdown() {
  stopping_ = true;
  Notify();
  if (thread_.joinable()) thread_.join();
}

void InotifyReader::Notify() {
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the thread wakes up anyway.
  [[maybe_unused]] const ssize_t ignored = write(wake_.get(), &one, sizeof(one));
}

absl::StatusOr<int> InotifyReader::Watch(int directory) {
  const std::string path = StrCat("/proc/self/fd/", directory);
  const int watch = inotify_add_watch(inotify_.get(), path.c_str(), kMask);
  if (watch >= 0) return watch;
  if (errno == ENOSPC) {
    return absl::ResourceExhaustedError(
        "the limit of inotify watches is reached; raise fs.inotify.max_user_watches (sysctl)");
  }
  return ErrnoStatus(errno, "watch", path);
}

void InotifyReader::Unwatch(int watch) {
  // It fails when the directory is gone, and the watch with it.
  inotify_rm_watch(inotify_.get(), watch);
}

void InotifyReader::Barrier(int64_t barrier) {
  {
    absl::MutexLock lock(&mutex_);
    barriers_.push_back(barrier);
  }
  Notify();
}

void InotifyReader::Run() {
  RaisePriority();
  absl::Duration last_event = absl::ZeroDuration();
  while (true) {
    pollfd files[2] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(files, 2, -1) < 0 && errno != EINTR) break;
    if (stopping_) return;
    if (files[1].revents != 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t ignored = read(wake_.get(), &count, sizeof(count));
      ServeBarriers();
    }
    if (files[0].revents == 0) continue;
    const absl::Duration now = SinceBoot();
    if (now - last_event < kIdleAfter) {
      const timespec pause = absl::ToTimespec(kBatchPause);
      nanosleep(&pause, nullptr);
    }
    last_event = now;
    if (ReadOnce() < 0) break;
  }
  queue_->MarkFailed();
}

int64_t InotifyReader::ReadOnce() {
  const ssize_t got = read(inotify_.get(), buffer_.data(), buffer_.size());
  if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  std::vector<RawEvent> events;
  bool overflowed = false;
  for (ssize_t offset = 0; offset + static_cast<ssize_t>(sizeof(inotify_event)) <= got;) {
    inotify_event event;
    std::memcpy(&event, buffer_.data() + offset, sizeof(event));
    const char* name = buffer_.data() + offset + sizeof(event);
    offset += static_cast<ssize_t>(sizeof(event) + event.len);
    if (event.mask & IN_Q_OVERFLOW) {
      overflowed = true;
      continue;
    }
    RawEvent raw;
    raw.watch = event.wd;
    raw.mask = event.mask;
    raw.cookie = event.cookie;
    raw.name.assign(name, strnlen(name, event.len));
    events.push_back(std::move(raw));
  }
  queue_->Push(std::move(events));
  if (overflowed) queue_->MarkOverflow();
  return got;
}

void InotifyReader::ServeBarriers() {
  std::vector<int64_t> barriers;
  {
    absl::MutexLock lock(&mutex_);
    barriers.swap(barriers_);
  }
  if (barriers.empty()) return;
  int waiting = 0;
  if (ioctl(inotify_.get(), FIONREAD, &waiting) != 0) waiting = 0;
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
