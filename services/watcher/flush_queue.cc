#include "services/watcher/flush_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace closewrite::watcher {

bool FlushQueue::Add(Done* done) {
  absl::MutexLock lock(&mutex_);
  if (added_.size() >= kFlushesMax) return false;
  added_.push_back(std::move(*done));
  return true;
}

bool FlushQueue::Admit(int64_t barrier) {
  std::vector<Done> added;
  {
    absl::MutexLock lock(&mutex_);
    added.swap(added_);
  }
  for (Done& done : added) {
    waiting_.emplace_back();
    waiting_.back().done = std::move(done);
    waiting_.back().barrier = barrier;
  }
  return !added.empty();
}

bool FlushQueue::Awaits(int64_t barrier) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [barrier](const Waiting& waiting) {
    return !waiting.reached && waiting.barrier <= barrier;
  });
}

void FlushQueue::Reached(int64_t barrier, const Horizon& horizon) {
  for (Waiting& waiting : waiting_) {
    if (waiting.reached || waiting.barrier > barrier) continue;
    waiting.reached = true;
    waiting.horizon = horizon;
  }
}

std::vector<FlushQueue::Done> FlushQueue::Take(const std::function<bool(Horizon*)>& settled) {
  const auto open = [&](Waiting& waiting) {
    return !waiting.reached || !settled(&waiting.horizon);
  };
  const auto first = std::stable_partition(waiting_.begin(), waiting_.end(), open);
  std::vector<Done> done;
  for (auto waiting = first; waiting != waiting_.end(); ++waiting) {
    done.push_back(std::move(waiting->done));
  }
  waiting_.erase(first, waiting_.end());
  return done;
}

bool FlushQueue::Restart(int64_t barrier) {
  for (Waiting& waiting : waiting_) {
    waiting.reached = false;
    waiting.barrier = barrier;
  }
  return !waiting_.empty();
}

void FlushQueue::Fail(const absl::Status& why) {
  std::vector<Done> failed;
  {
    absl::MutexLock lock(&mutex_);
    failed.swap(added_);
  }
  for (Waiting& waiting : waiting_) failed.push_back(std::move(waiting.done));
  waiting_.clear();
  for (const Done& done : failed) done(why);
}

}  // namespace closewrite::watcher
