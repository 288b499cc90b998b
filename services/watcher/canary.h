// Proves that events arrive.
#ifndef SERVICES_WATCHER_CANARY_H_
#define SERVICES_WATCHER_CANARY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/watcher/event_queue.h"
#include "services/watcher/volume_root.h"
#include "services/watcher/watch_backend.h"

namespace closewrite::watcher {

inline constexpr std::string_view kCanaryPath = ".closewrite/canary";
inline constexpr absl::Duration kCanaryInterval = absl::Minutes(1);

// A file that is opened for writing and closed at the start and once a minute. Its event must come
// before a barrier that was asked for afterwards; so no clock says whether it is late. Not
// thread-safe.
class Canary {
 public:
  // Watches the directory of the file. Where the file can't be written (a read-only file system)
  // nothing can be proved: this is no error, and why() says it.
  void Attach(const VolumeRoot& root, WatchBackend* backend);
  void Detach();

  // Whether the event is about the directory of the canary; such are of no interest otherwise.
  bool IsMine(const RawEvent& event) const { return watch_ > 0 && event.watch == watch_; }
  // Whether it is the one that is waited for.
  static bool IsProof(const RawEvent& event);

  // Writes the file when its time has come. True when it did: then `barrier` must be asked for.
  bool Tick(int64_t barrier, absl::Time now);
  // Its event has come.
  void Seen(absl::Time now);
  // Events were lost in an overflow, perhaps this one too: it is written again.
  void Excuse(absl::Time now);
  // A barrier was reached. False when the event of the canary that was written before it is
  // missing.
  bool Reached(int64_t barrier, absl::Time now);

  // InfiniteFuture while it is not attached.
  absl::Time next_due() const { return next_due_; }
  // Whether the last one whose barrier was reached was seen; true before the first.
  bool alive() const { return alive_; }
  // Whether nothing is known yet since Attach.
  bool waiting() const { return awaited_barrier_ != 0 && !ever_seen_; }
  absl::Time seen_at() const { return seen_at_; }  // InfinitePast: never
  int64_t misses() const { return misses_; }
  const std::string& why() const { return why_; }

 private:
  absl::Status Write() const;

  Fd directory_;
  WatchBackend* backend_ = nullptr;
  int watch_ = 0;
  absl::Time next_due_ = absl::InfiniteFuture();
  int64_t awaited_barrier_ = 0;  // 0: none
  bool ever_seen_ = false;       // since Attach
  bool alive_ = true;
  absl::Time seen_at_ = absl::InfinitePast();
  int64_t misses_ = 0;
  std::string why_;
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_CANARY_H_
