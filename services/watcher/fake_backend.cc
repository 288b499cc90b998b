#include "services/watcher/fake_backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "services/log/str_cat.h"
#include "services/watcher/writer_check.h"

namespace closewrite::watcher {
namespace {

int64_t Nanos(const statx_timestamp& time) {
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

RawEvent Event(int watch, uint32_t mask, std::string name, uint32_t cookie = 0) {
  RawEvent event;
  event.watch = watch;
  event.mask = mask;
  event.cookie = cookie;
  event.name = std::move(name);
  return event;
}

uint32_t OnDirectory(uint32_t mode) { return S_ISDIR(mode) ? IN_ISDIR : 0; }

}  // namespace

FakeBackend::Listing FakeBackend::List(int directory) {
  Listing listing;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      fdopendir(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), closedir);
  while (const dirent* entry = stream == nullptr ? nullptr : readdir(stream.get())) {
    const std::string name = entry->d_name;
    struct statx st;
    if (name == "." || name == ".." ||
        statx(directory, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
              &st) != 0) {
      continue;
    }
    listing[name] = {{st.stx_ino, Nanos(st.stx_btime)}, st.stx_mode,         st.stx_nlink,
                     static_cast<int64_t>(st.stx_size), Nanos(st.stx_mtime), Nanos(st.stx_ctime)};
  }
  return listing;
}

std::string FakeBackend::PathOf(int directory) {
  char path[PATH_MAX];
  const ssize_t size = readlink(StrCat("/proc/self/fd/", directory).c_str(), path, sizeof(path));
  return size < 0 ? std::string() : std::string(path, static_cast<size_t>(size));
}

absl::StatusOr<int> FakeBackend::Watch(int directory) {
  struct stat st;
  if (fstat(directory, &st) != 0) return ErrnoStatus(errno, "stat", "a directory");
  absl::MutexLock lock(&mutex_);
  const auto [entry, added] = watches_.try_emplace(st.st_ino, next_);
  if (!added) return entry->second;
  Directory& watched = directories_[next_];
  watched.fd = Fd(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  watched.path = PathOf(watched.fd.get());
  watched.listing = List(watched.fd.get());
  return next_++;
}

void FakeBackend::Unwatch(int watch) {
  absl::MutexLock lock(&mutex_);
  directories_.erase(watch);
  for (auto entry = watches_.begin(); entry != watches_.end(); ++entry) {
    if (entry->second != watch) continue;
    watches_.erase(entry);
    return;
  }
}

absl::Status FakeBackend::TellModifications(bool tell) {
  absl::MutexLock lock(&mutex_);
  modifications_ = tell;
  return absl::OkStatus();
}

void FakeBackend::Closed(int watch, const std::string& name, std::vector<RawEvent>* events) {
  const absl::StatusOr<CheckedFile> checked = CheckWriter(directories_.at(watch).fd.get(), name);
  if (checked.ok() && checked->state == WriterState::kWritten) {
    written_.emplace(watch, name);
    return;
  }
  written_.erase({watch, name});
  events->push_back(Event(watch, IN_CLOSE_WRITE, name));
}

void FakeBackend::Added(const Name& name, std::vector<RawEvent>* events) {
  events->push_back(Event(name.watch, IN_CREATE | OnDirectory(name.entry.mode), name.name));
  // Another name of a file that was there before has no close.
  if (S_ISREG(name.entry.mode) && name.entry.links == 1) Closed(name.watch, name.name, events);
}

void FakeBackend::Compare(int watch, Directory* directory, Difference* difference) {
  std::vector<RawEvent>* const events = &difference->events;
  struct stat st;
  if (!directory->gone && fstat(directory->fd.get(), &st) == 0 && st.st_nlink == 0) {
    directory->gone = true;
    events->push_back(Event(watch, IN_DELETE_SELF, ""));
    events->push_back(Event(watch, IN_IGNORED, ""));
  }
  std::string path = PathOf(directory->fd.get());
  if (path != directory->path) events->push_back(Event(watch, IN_MOVE_SELF, ""));
  directory->path = std::move(path);
  Listing listing = List(directory->fd.get());
  for (const auto& [name, was] : directory->listing) {
    const auto now = listing.find(name);
    if (now == listing.end() || now->second.identity != was.identity) {
      difference->removed.push_back({watch, name, was});
      continue;
    }
    const Entry& is = now->second;
    if (!S_ISREG(is.mode) || is.ctime_ns == was.ctime_ns) continue;
    // A write sets both times alike; one that was set by hand differs.
    if (is.size != was.size || (is.mtime_ns != was.mtime_ns && is.mtime_ns == is.ctime_ns)) {
      if (modifications_) events->push_back(Event(watch, IN_MODIFY, name));
      Closed(watch, name, events);
    } else {
      events->push_back(Event(watch, IN_ATTRIB, name));
    }
  }
  for (const auto& [name, is] : listing) {
    const auto was = directory->listing.find(name);
    if (was == directory->listing.end() || was->second.identity != is.identity) {
      difference->added.push_back({watch, name, is});
    }
  }
  directory->listing = std::move(listing);
}

std::vector<RawEvent> FakeBackend::Look() {
  Difference difference;
  for (auto& [watch, directory] : directories_) Compare(watch, &directory, &difference);
  std::vector<RawEvent>& events = difference.events;
  for (const Name& name : difference.removed) {
    const auto moved = std::find_if(
        difference.added.begin(), difference.added.end(),
        [&](const Name& added) { return added.entry.identity == name.entry.identity; });
    const uint32_t on_directory = OnDirectory(name.entry.mode);
    if (moved == difference.added.end()) {
      events.push_back(Event(name.watch, IN_DELETE | on_directory, name.name));
      continue;
    }
    const uint32_t cookie = next_cookie_++;
    events.push_back(Event(name.watch, IN_MOVED_FROM | on_directory, name.name, cookie));
    events.push_back(Event(moved->watch, IN_MOVED_TO | on_directory, moved->name, cookie));
    difference.added.erase(moved);
  }
  for (const Name& name : difference.added) Added(name, &events);
  for (const auto& [watch, name] : std::set(written_)) {
    if (directories_.contains(watch)) Closed(watch, name, &events);
  }
  return std::move(difference.events);
}

void FakeBackend::Barrier(int64_t barrier) {
  absl::MutexLock lock(&mutex_);
  std::vector<RawEvent> events = Look();
  RawEvent mark;
  mark.barrier = barrier;
  events.push_back(mark);
  queue_->Push(std::move(events));
}

}  // namespace closewrite::watcher
