// Streams that were opened and have not said yet whose they are.
#ifndef SERVICES_COORDINATOR_WAITING_ROOM_H_
#define SERVICES_COORDINATOR_WAITING_ROOM_H_

#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace closewrite {

// Streams of a service that may wait for their first message. Watchers and executors send it with
// the stream, so that one that waits long has nobody honest at its other end.
inline constexpr size_t kUngreetedStreamsMax = 256;

// When it is full, whoever has waited longest makes room: so those that only open streams can't
// keep out those that speak. `Stream` has End(absl::Status). Thread-safe.
template <class Stream>
class WaitingRoom {
 public:
  explicit WaitingRoom(size_t streams_max = kUngreetedStreamsMax) : streams_max_(streams_max) {}

  void Enter(std::shared_ptr<Stream> stream) {
    std::shared_ptr<Stream> oldest;
    {
      absl::MutexLock lock(&mutex_);
      if (waiting_.size() >= streams_max_) {
        oldest = std::move(waiting_.front());
        waiting_.pop_front();
      }
      waiting_.push_back(std::move(stream));
    }
    if (oldest == nullptr) return;
    oldest->End(absl::ResourceExhaustedError(
        "too many streams are open that have said nothing; send the first message at once"));
  }

  // It has spoken, or has ended. Any number of times.
  void Leave(const Stream* stream) {
    absl::MutexLock lock(&mutex_);
    waiting_.remove_if([stream](const auto& each) { return each.get() == stream; });
  }

 private:
  const size_t streams_max_;
  absl::Mutex mutex_;
  std::list<std::shared_ptr<Stream>> waiting_ ABSL_GUARDED_BY(mutex_);  // the oldest comes first
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_WAITING_ROOM_H_
