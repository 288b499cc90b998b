#include "services/watcher/mount_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "services/log/log.h"

namespace closewrite::watcher {

MountWatch::MountWatch(std::function<void()> changed) : changed_(std::move(changed)) {}

MountWatch::~MountWatch() { Shutdown(); }

absl::Status MountWatch::Start() {
  mounts_ = Fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts_.ok()) return ErrnoStatus(errno, "open", "/proc/self/mountinfo");
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.ok()) return ErrnoStatus(errno, "make", "eventfd");
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void MountWatch::Shutdown() {
  stopping_ = true;
  if (wake_.ok()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = write(wake_.get(), &one, sizeof(one));
  }
  if (thread_.joinable()) thread_.join();
}

void MountWatch::Run() {
  while (true) {
    pollfd files[2] = {{mounts_.get(), POLLPRI, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(files, 2, -1) < 0 && errno != EINTR) {
      LogError("mounts can't be watched any more; they are looked at once a minute");
      return;
    }
    if (stopping_) return;
    if (files[0].revents != 0) changed_();
  }
}

}  // namespace closewrite::watcher
