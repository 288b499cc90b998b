#include "services/watcher/fanotify_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include <algorithm>
#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {
namespace {

// The engine's words are inotify's; the kernel gave both the same numbers.
static_assert(FAN_CLOSE_WRITE == IN_CLOSE_WRITE && FAN_MODIFY == IN_MODIFY &&
              FAN_ATTRIB == IN_ATTRIB && FAN_CREATE == IN_CREATE && FAN_DELETE == IN_DELETE &&
              FAN_DELETE_SELF == IN_DELETE_SELF && FAN_MOVE_SELF == IN_MOVE_SELF &&
              FAN_ONDIR == IN_ISDIR);

constexpr uint64_t kMask =
    FAN_CLOSE_WRITE | FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ATTRIB | FAN_ONDIR;
// Of the root alone: nobody else's directory may be told of, for the whole file system is marked.
constexpr uint64_t kRootMask = FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ONDIR;
constexpr uint64_t kTold = FAN_CLOSE_WRITE | FAN_MODIFY | FAN_ATTRIB | FAN_CREATE | FAN_DELETE |
                           FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ONDIR;
// The queue's limit stays (fs.fanotify.max_queued_events): FAN_UNLIMITED_QUEUE would let a stopped
// watcher take all of the kernel's memory, and an overflow only costs a scan.
constexpr unsigned kInitFlags =
    FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME | FAN_REPORT_FID;

absl::Status Refusal(int error) {
  switch (error) {
    case EPERM:
      return absl::PermissionDeniedError(
          "backend fanotify needs CAP_SYS_ADMIN; grant it, or set backend: inotify");
    case EINVAL:
    case ENOSYS:
      return absl::FailedPreconditionError(
          "backend fanotify needs Linux 5.17 or later; set backend: inotify");
    case ENODEV:
    case EOPNOTSUPP:
    case EXDEV:
      return absl::FailedPreconditionError(
          "backend fanotify can't be used on this file system (overlayfs, FUSE and btrfs "
          "subvolumes have no file handles for it); set backend: inotify");
    default:
      return ErrnoStatus(error, "use fanotify on", "the root");
  }
}

}  // namespace

FanotifyBackend::FanotifyBackend(Fd fanotify, EventQueue* queue)
    : fanotify_(std::move(fanotify)),
      drain_(fanotify_.get(), queue, [this](std::string_view bytes, DecodedEvents* decoded) {
        return Decode(bytes, decoded);
      }) {}

absl::StatusOr<std::unique_ptr<WatchBackend>> FanotifyBackend::Create(int root, EventQueue* queue) {
  Fd fanotify(fanotify_init(kInitFlags, O_RDONLY | O_CLOEXEC));
  if (!fanotify.ok()) return Refusal(errno);
  std::unique_ptr<FanotifyBackend> backend(new FanotifyBackend(std::move(fanotify), queue));
  absl::Status usable = backend->drain_.status();
  if (usable.ok()) usable = backend->Mark(root);
  if (!usable.ok()) return usable;
  return std::unique_ptr<WatchBackend>(std::move(backend));
}

absl::Status FanotifyBackend::Mark(int root) {
  root_ = Fd(openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_.ok()) return ErrnoStatus(errno, "open", "the root");
  if (fanotify_mark(fanotify_.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kMask, root_.get(), ".") !=
          0 ||
      fanotify_mark(fanotify_.get(), FAN_MARK_ADD, kRootMask, root_.get(), ".") != 0) {
    return Refusal(errno);
  }
  return absl::OkStatus();
}

absl::Status FanotifyBackend::TellModifications(bool tell) {
  const unsigned change = tell ? FAN_MARK_ADD : FAN_MARK_REMOVE;
  if (fanotify_mark(fanotify_.get(), change | FAN_MARK_FILESYSTEM, FAN_MODIFY, root_.get(), ".") ==
          0 ||
      (!tell && errno == ENOENT)) {
    return absl::OkStatus();
  }
  return Refusal(errno);
}

absl::StatusOr<int> FanotifyBackend::Watch(int directory) {
  alignas(file_handle) char buffer[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* const handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (name_to_handle_at(directory, "", handle, &mount, AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(errno, "get the handle of", "a directory");
  }
  std::string key(buffer, sizeof(file_handle) + handle->handle_bytes);
  absl::MutexLock lock(&mutex_);
  const auto [entry, added] = watches_.try_emplace(key, next_);
  if (added) handles_[next_++] = std::move(key);
  return entry->second;
}

void FanotifyBackend::Unwatch(int watch) {
  absl::MutexLock lock(&mutex_);
  const auto entry = handles_.find(watch);
  if (entry == handles_.end()) return;
  watches_.erase(entry->second);
  handles_.erase(entry);
}

int64_t FanotifyBackend::Decode(std::string_view bytes, DecodedEvents* decoded) {
  const std::vector<FanotifyEvent> events = DecodeFanotify(bytes);
  absl::MutexLock lock(&mutex_);
  for (const FanotifyEvent& event : events) Translate(event, decoded);
  // FIONREAD counts the fixed part of each event only (fs/notify/fanotify/fanotify_user.c).
  return static_cast<int64_t>(std::max<size_t>(events.size(), 1) * FAN_EVENT_METADATA_LEN);
}

int FanotifyBackend::Find(std::string_view handle) const {
  const auto entry = watches_.find(ToAbsl(handle));
  return entry == watches_.end() ? 0 : entry->second;
}

void FanotifyBackend::Translate(const FanotifyEvent& event, DecodedEvents* decoded) {
  if (event.mask & FAN_Q_OVERFLOW) {
    decoded->overflowed = true;
    return;
  }
  const uint32_t on_directory = event.mask & FAN_ONDIR;
  if (event.mask & FAN_RENAME) {
    // Each side that lies in a watched directory is told, with a cookie that joins them.
    RawEvent raw;
    raw.cookie = next_cookie_++;
    if (raw.watch = Find(event.directory); raw.watch != 0) {
      raw.mask = IN_MOVED_FROM | on_directory;
      raw.name = std::string(event.name);
      decoded->events.push_back(raw);
    }
    if (raw.watch = Find(event.new_directory); raw.watch != 0) {
      raw.mask = IN_MOVED_TO | on_directory;
      raw.name = std::string(event.new_name);
      decoded->events.push_back(raw);
    }
  }
  const uint32_t told = static_cast<uint32_t>(event.mask & kTold);
  if ((told & ~on_directory) == 0) return;
  // Written by file handle, as NFS servers do after a restart: its name is not known to anybody.
  if (event.directory.empty()) {
    decoded->unnamed |= on_directory == 0;
    return;
  }
  RawEvent raw;
  if (raw.watch = Find(event.directory); raw.watch == 0) return;
  raw.mask = told;
  raw.name = std::string(event.name);
  decoded->events.push_back(std::move(raw));
}

}  // namespace closewrite::watcher
