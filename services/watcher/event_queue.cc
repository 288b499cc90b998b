#include "services/watcher/event_queue.h"

#include <algorithm>
#include <utility>

namespace closewrite::watcher {

void EventQueue::Push(std::vector<RawEvent> events) {
  absl::MutexLock lock(&mutex_);
  for (RawEvent& event : events) {
    if (events_.size() >= events_max_ && event.barrier == 0) {
      overflowed_ = true;
    } else {
      barriers_ += event.barrier != 0;
      events_.push_back(std::move(event));
    }
  }
}

void EventQueue::MarkOverflow() {
  absl::MutexLock lock(&mutex_);
  overflowed_ = true;
}

void EventQueue::MarkUnnamed() {
  absl::MutexLock lock(&mutex_);
  unnamed_ = true;
}

void EventQueue::MarkFailed() {
  absl::MutexLock lock(&mutex_);
  failed_ = true;
}

EventQueue::Batch EventQueue::Take(absl::Duration timeout, size_t events_max,
                                   absl::Duration gather) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() {
    mutex_.AssertReaderHeld();
    return !events_.empty() || overflowed_ || unnamed_ || failed_ || woken_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&ready), std::max(timeout, absl::ZeroDuration()));
  const auto enough = [this]() {
    mutex_.AssertReaderHeld();
    return events_.size() >= kGatheredEvents || barriers_ > 0 || overflowed_ || failed_ || woken_;
  };
  if (gather > absl::ZeroDuration() && !events_.empty()) {
    mutex_.AwaitWithTimeout(absl::Condition(&enough), gather);
  }
  Batch batch;
  batch.overflowed = std::exchange(overflowed_, false);
  batch.unnamed = std::exchange(unnamed_, false);
  batch.failed = std::exchange(failed_, false);
  woken_ = false;
  const auto end = events_.begin() + static_cast<int64_t>(std::min(events_max, events_.size()));
  batch.events.assign(std::make_move_iterator(events_.begin()), std::make_move_iterator(end));
  events_.erase(events_.begin(), end);
  for (const RawEvent& event : batch.events) barriers_ -= event.barrier != 0;
  return batch;
}

void EventQueue::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void EventQueue::Clear() {
  absl::MutexLock lock(&mutex_);
  events_.clear();
  barriers_ = 0;
  overflowed_ = false;
  unnamed_ = false;
  failed_ = false;
}

}  // namespace closewrite::watcher
