// What EventService.WatchEvents says: every event from the call on.
#ifndef SERVICES_COORDINATOR_API_EVENT_WATCH_H_
#define SERVICES_COORDINATOR_API_EVENT_WATCH_H_

#include <deque>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/event.pb.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Events that may wait for one reader; past that its stream ends with RESOURCE_EXHAUSTED.
inline constexpr size_t kWatchedEventsMax = 16384;
// Events sent between two turns of other streams.
inline constexpr size_t kEventBatchRows = 256;

// An event with the jobs that it made.
v1::EventRecord ShowEvent(const EventRecord& record, StoreReader& reader);

// An event that was committed just before the call may come too: answers precede the feed.
class EventWatch : public StreamSource<v1::WatchEventsResponse> {
 public:
  // `store` is not owned. Of one volume, or "" for all.
  EventWatch(Store* store, std::string volume);

  absl::StatusOr<Batch> Next() override;
  bool OnChange(const Effects& effects) override;

 private:
  Store& store_;
  const std::string volume_;
  absl::Mutex mutex_;
  std::deque<EventRecord> waiting_ ABSL_GUARDED_BY(mutex_);
  bool overflow_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_EVENT_WATCH_H_
