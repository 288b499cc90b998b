#include "services/watcher/inotify_backend.h"

#include <errno.h>
#include <sys/inotify.h>

#include <string>
#include <utility>

#include "services/log/str_cat.h"
#include "services/watcher/inotify_decode.h"

namespace closewrite::watcher {
namespace {

// No IN_ACCESS or IN_OPEN, and IN_MODIFY only on demand: they cost the writers, fill the kernel's
// queue, and our own reads would make events. No IN_DONT_FOLLOW: the watch goes by /proc/self/fd,
// which is a link.
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ATTRIB |
                           IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

int64_t Decode(std::string_view bytes, DecodedEvents* decoded) {
  DecodeInotify(bytes, decoded);
  return static_cast<int64_t>(bytes.size());
}

}  // namespace

InotifyBackend::InotifyBackend(Fd inotify, EventQueue* queue)
    : inotify_(std::move(inotify)), drain_(inotify_.get(), queue, Decode) {}

absl::StatusOr<std::unique_ptr<WatchBackend>> InotifyBackend::Create(EventQueue* queue) {
  Fd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify.ok() && errno == EMFILE) {
    return absl::ResourceExhaustedError(
        "this user has too many inotify instances; raise fs.inotify.max_user_instances (sysctl)");
  }
  if (!inotify.ok()) return ErrnoStatus(errno, "use inotify in", "/proc/sys/fs/inotify");
  std::unique_ptr<InotifyBackend> backend(new InotifyBackend(std::move(inotify), queue));
  if (absl::Status usable = backend->drain_.status(); !usable.ok()) return usable;
  return std::unique_ptr<WatchBackend>(std::move(backend));
}

absl::StatusOr<int> InotifyBackend::Watch(int directory) {
  const std::string path = StrCat("/proc/self/fd/", directory);
  const uint32_t mask = kMask | (modifications_ ? IN_MODIFY : 0);
  const int watch = inotify_add_watch(inotify_.get(), path.c_str(), mask);
  if (watch >= 0) return watch;
  if (errno == ENOSPC) {
    return absl::ResourceExhaustedError("the limit of inotify watches is reached");
  }
  return ErrnoStatus(errno, "watch", path);
}

void InotifyBackend::Unwatch(int watch) {
  // It fails when the directory is gone, and the watch with it.
  inotify_rm_watch(inotify_.get(), watch);
}

absl::Status InotifyBackend::TellModifications(bool tell) {
  modifications_ = tell;
  return absl::OkStatus();
}

}  // namespace closewrite::watcher
