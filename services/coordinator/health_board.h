// What hosts say of themselves, in memory alone: of the streams that this coordinator has.
#ifndef SERVICES_COORDINATOR_HEALTH_BOARD_H_
#define SERVICES_COORDINATOR_HEALTH_BOARD_H_

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/health.pb.h"

namespace closewrite {

// Thread-safe.
class HealthBoard {
 public:
  // A watcher's host, or an executor's session.
  using Who = std::string;
  // By its address.
  using StreamKey = const void*;
  struct Entry {
    v1::HostHealth health;
    absl::Duration clock_ahead;  // of ours, with the time that the message took
  };

  void Set(const Who& who, StreamKey stream, const v1::HostHealth& health, absl::Time now) {
    const absl::Time sent = absl::FromUnixSeconds(health.sent_at().seconds()) +
                            absl::Nanoseconds(health.sent_at().nanos());
    absl::MutexLock lock(&mutex_);
    entries_[who] = {stream, {health, sent - now}};
  }
  // Does nothing when a newer stream has said something.
  void Remove(const Who& who, StreamKey stream) {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(who);
    if (found != entries_.end() && found->second.first == stream) entries_.erase(found);
  }
  std::optional<Entry> Find(const Who& who) const {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(who);
    if (found == entries_.end()) return std::nullopt;
    return found->second.second;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<Who, std::pair<StreamKey, Entry>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_HEALTH_BOARD_H_
