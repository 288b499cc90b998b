#include "services/watcher/canary.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <utility>

#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::watcher {
namespace {

constexpr mode_t kMode = 0600;
// After one that was not seen.
constexpr absl::Duration kRetryInterval = absl::Seconds(5);

}  // namespace

void Canary::Attach(const VolumeRoot& root, WatchBackend* backend) {
  Detach();
  absl::StatusOr<Fd> directory = OpenBeneath(root.fd(), kPrivateDir, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) {
    why_ = ToStd(directory.status().message());
    return;
  }
  const absl::StatusOr<int> watch = backend->Watch(directory->get());
  if (!watch.ok()) {
    why_ = ToStd(watch.status().message());
    return;
  }
  directory_ = *std::move(directory);
  backend_ = backend;
  watch_ = *watch;
  next_due_ = absl::InfinitePast();
}

void Canary::Detach() {
  directory_.Reset();
  backend_ = nullptr;
  watch_ = 0;
  next_due_ = absl::InfiniteFuture();
  awaited_barrier_ = 0;
  ever_seen_ = false;
  alive_ = true;
  why_.clear();
}

// Opening it for writing and closing it is enough, and needs no space on a full disk.
absl::Status Canary::Write() const {
  return OpenFileBeneath(directory_.get(), BaseName(kCanaryPath), O_WRONLY | O_CREAT, kMode)
      .status();
}

bool Canary::Tick(int64_t barrier, absl::Time now) {
  if (now < next_due_ || awaited_barrier_ != 0) return false;
  next_due_ = now + kCanaryInterval;
  const absl::Status written = Write();
  why_ = ToStd(written.message());
  if (!written.ok()) return false;
  awaited_barrier_ = barrier;
  return true;
}

bool Canary::IsProof(const RawEvent& event) {
  return (event.mask & IN_CLOSE_WRITE) != 0 && event.name == BaseName(kCanaryPath);
}

void Canary::Excuse(absl::Time now) {
  if (awaited_barrier_ == 0) return;
  awaited_barrier_ = 0;
  next_due_ = now;
}

void Canary::Seen(absl::Time now) {
  ever_seen_ = true;
  alive_ = true;
  seen_at_ = now;
  awaited_barrier_ = 0;
}

bool Canary::Reached(int64_t barrier, absl::Time now) {
  if (awaited_barrier_ == 0 || barrier < awaited_barrier_) return true;
  awaited_barrier_ = 0;
  alive_ = false;
  ++misses_;
  next_due_ = now + kRetryInterval;
  return false;
}

}  // namespace closewrite::watcher
