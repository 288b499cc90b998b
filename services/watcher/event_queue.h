// Between the thread that reads the kernel's events and the one that thinks about them.
#ifndef SERVICES_WATCHER_EVENT_QUEUE_H_
#define SERVICES_WATCHER_EVENT_QUEUE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace closewrite::watcher {

inline constexpr size_t kQueuedEventsMax = 1 << 20;
inline constexpr size_t kGatheredEvents = 1000;

// An event as the kernel told it.
struct RawEvent {
  int watch = -1;  // watch descriptor
  uint32_t mask = 0;
  uint32_t cookie = 0;  // joins the two halves of a rename
  int64_t barrier =
      0;             // not 0: no event; all that the kernel had when it was asked for is before it
  std::string name;  // in the watched directory; "" when the event is about that itself
};

// A bounded queue. When it is full it drops events and says that it overflowed; a scan makes up for
// them. Thread-safe.
class EventQueue {
 public:
  struct Batch {
    std::vector<RawEvent> events;
    bool overflowed = false;  // the kernel's queue, or this one
    bool unnamed = false;     // a file changed that the kernel has no name for
    bool failed = false;      // the reader has ended by itself
  };

  explicit EventQueue(size_t events_max = kQueuedEventsMax) : events_max_(events_max) {}

  // Never blocks. Barriers are always taken.
  void Push(std::vector<RawEvent> events);
  void MarkOverflow();
  void MarkUnnamed();
  void MarkFailed();

  // Waits until there is something, Wake was called, or `timeout` is over. At most `events_max`.
  // Then waits up to `gather` for kGatheredEvents, a barrier or anything else but an event.
  Batch Take(absl::Duration timeout, size_t events_max,
             absl::Duration gather = absl::ZeroDuration());
  // Ends the current or the next wait.
  void Wake();
  // Forgets everything.
  void Clear();

 private:
  const size_t events_max_;
  absl::Mutex mutex_;
  std::deque<RawEvent> events_ ABSL_GUARDED_BY(mutex_);
  int64_t barriers_ ABSL_GUARDED_BY(mutex_) = 0;  // among events_
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
  bool unnamed_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_EVENT_QUEUE_H_
