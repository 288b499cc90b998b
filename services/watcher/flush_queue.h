// Those who wait until everything that happened before they asked is in the ledger.
#ifndef SERVICES_WATCHER_FLUSH_QUEUE_H_
#define SERVICES_WATCHER_FLUSH_QUEUE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace closewrite::watcher {

// Flushes of one volume that may wait at once.
inline constexpr size_t kFlushesMax = 64;

// Only Add may be called from any thread; the rest belongs to the engine's.
class FlushQueue {
 public:
  using Done = std::function<void(absl::StatusOr<int64_t>)>;

  // What else must be done once the barrier was reached: what the events before it have caused.
  struct Horizon {
    int64_t scans = 0;          // this many scans finished
    int64_t pending_order = 0;  // no pending file before this one
    absl::Time renames_until;   // no half of a rename from before this time
    bool scanned = false;       // for the one who decides
  };

  // False when it is full.
  bool Add(Done* done);

  // Takes those that were added; they wait for `barrier`. True when there are any: then it must be
  // asked for.
  bool Admit(int64_t barrier);
  // Whether any waits for this barrier or an earlier one.
  bool Awaits(int64_t barrier) const;
  // The barrier was reached; `horizon` is as it is now.
  void Reached(int64_t barrier, const Horizon& horizon);
  // Takes those out whose horizon is `settled`.
  std::vector<Done> Take(const std::function<bool(Horizon*)>& settled);
  // The barriers that were asked for will never come; all wait for `barrier` now. True when any
  // does.
  bool Restart(int64_t barrier);
  // Answers all with `why`.
  void Fail(const absl::Status& why);

 private:
  struct Waiting {
    Done done;
    int64_t barrier = 0;
    bool reached = false;  // then `horizon` holds
    Horizon horizon;
  };

  std::vector<Waiting> waiting_;
  absl::Mutex mutex_;
  std::vector<Done> added_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FLUSH_QUEUE_H_
