#include "services/watcher/flush_relay.h"

#include <utility>

#include "services/log/str_cat.h"

namespace closewrite::watcher {

void FlushRelay::Ask(int64_t id, const std::string& volume) {
  absl::MutexLock lock(&mutex_);
  if (waiting_ >= kFlushRequestsMax) {
    answers_.push_back({id, StrCat(kFlushRequestsMax, " flushes wait already: try again later")});
    return;
  }
  ++waiting_;
  volumes_[volume].next.push_back(id);
}

std::vector<FlushRelay::Answer> FlushRelay::Step() {
  std::vector<std::string> start;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [name, volume] : volumes_) {
      if (volume.busy || volume.next.empty()) continue;
      volume.busy = true;
      volume.running = std::exchange(volume.next, {});
      start.push_back(name);
    }
  }
  for (const std::string& volume : start) Start(volume);

  absl::MutexLock lock(&mutex_);
  for (auto round = rounds_.begin(); round != rounds_.end();) {
    if (!IsSettled(&*round)) {
      ++round;
      continue;
    }
    waiting_ -= round->ids.size();
    for (const int64_t id : round->ids) answers_.push_back({id, ""});
    round = rounds_.erase(round);
  }
  return std::exchange(answers_, {});
}

void FlushRelay::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

void FlushRelay::Start(const std::string& volume) {
  const std::weak_ptr<FlushRelay> weak = weak_from_this();
  options_.flush(volume, [weak, volume](const absl::StatusOr<int64_t>& sequence) {
    if (const std::shared_ptr<FlushRelay> relay = weak.lock()) relay->Finish(volume, sequence);
  });
}

void FlushRelay::Finish(const std::string& volume, const absl::StatusOr<int64_t>& sequence) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  Volume& entry = volumes_[volume];
  if (!entry.busy) return;
  entry.busy = false;
  std::vector<int64_t> ids = std::exchange(entry.running, {});
  if (sequence.ok()) {
    rounds_.push_back({.sequence = *sequence, .ids = std::move(ids)});
  } else {
    waiting_ -= ids.size();
    for (const int64_t id : ids) answers_.push_back({id, std::string(sequence.status().message())});
  }
  // Under the lock, so that nothing is woken after Close.
  options_.wake();
}

// A row that changed again before it was acknowledged has moved on to a later sequence. What had
// moved on by the time when the rest was acknowledged is waited for too.
bool FlushRelay::IsSettled(Round* round) const {
  if (!options_.settled(round->sequence)) return false;
  if (round->again) return true;
  round->again = true;
  round->sequence = options_.newest();
  return options_.settled(round->sequence);
}

}  // namespace closewrite::watcher
