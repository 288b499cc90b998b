// What EventService.WatchEvents says: every event from the call on.
#ifndef SERVICES_COORDINATOR_API_EVENT_WATCH_H_
#define SERVICES_COORDINATOR_API_EVENT_WATCH_H_

#include <deque>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/event.pb.h"
#include "services/coordinator/api/push_stream.h"
#include "services/coordinator/api/recent_ids.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Events that may wait for one reader; past that its stream ends with RESOURCE_EXHAUSTED.
inline constexpr size_t kWatchedEventsMax = 16384;
// Events sent between two turns of other streams.
inline constexpr size_t kEventBatchRows = 256;
// Of a shared store: pages of the newest events that are looked through, once others have recorded
// some, for those that were not sent yet.
inline constexpr int kEventPagesMax = 64;

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
  void Begin(StoreReader& reader);
  absl::Status Look(StoreReader& reader);

  Store& store_;
  const std::string volume_;
  // Of a shared store; used by Next alone.
  RecentIds known_{kWatchedEventsMax};
  int64_t floor_ = 0;  // events up to here are older than the call
  bool begun_ = false;

  absl::Mutex mutex_;
  std::deque<EventRecord> waiting_ ABSL_GUARDED_BY(mutex_);
  bool overflow_ ABSL_GUARDED_BY(mutex_) = false;
  bool look_ ABSL_GUARDED_BY(mutex_) = false;  // of a shared store: there may be events
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_EVENT_WATCH_H_
