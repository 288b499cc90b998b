// Tells listeners what a commit has changed.
#ifndef SERVICES_COORDINATOR_CHANGE_FEED_H_
#define SERVICES_COORDINATOR_CHANGE_FEED_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "services/coordinator/core/effects.h"

namespace closewrite {

// Thread-safe. Listeners are called one after the other on the store loop's thread, after each
// commit that changed anything, in order of commits; they must be quick and must not subscribe or
// unsubscribe from inside the call.
class ChangeFeed {
 public:
  using Listener = std::function<void(const Effects&)>;
  // Unsubscribes when it is destroyed; waits for a call that is under way.
  class Subscription {
   public:
    Subscription(ChangeFeed* feed, int64_t id) : feed_(feed), id_(id) {}
    Subscription(const Subscription&) = delete;
    ~Subscription() { feed_->Unsubscribe(id_); }

   private:
    ChangeFeed* feed_;
    int64_t id_;
  };

  std::unique_ptr<Subscription> Subscribe(Listener listener) {
    absl::MutexLock lock(&mutex_);
    listeners_.emplace(++last_id_, std::move(listener));
    return std::make_unique<Subscription>(this, last_id_);
  }

  void Tell(const Effects& effects) {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, listener] : listeners_) listener(effects);
  }

 private:
  void Unsubscribe(int64_t id) {
    absl::MutexLock lock(&mutex_);
    listeners_.erase(id);
  }

  absl::Mutex mutex_;
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Listener> listeners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CHANGE_FEED_H_
