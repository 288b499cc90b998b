// Callers that wait for what a volume's watcher is to do: what they ask for goes to it on the
// stream that it has, and its answer comes back here.
#ifndef SERVICES_COORDINATOR_WATCHER_BOARD_H_
#define SERVICES_COORDINATOR_WATCHER_BOARD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/file.pb.h"
#include "closewrite/v1/observe.pb.h"
#include "services/coordinator/core/fleet.h"

namespace closewrite {

// Callers that may wait, in all.
inline constexpr size_t kQuestionsWaitingMax = 1024;
// ErrorInfo reason of UNAVAILABLE when it is the watcher that is away, not the coordinator.
inline constexpr char kWatcherAway[] = "WATCHER_NOT_CONNECTED";

// To record everything that happened in a volume, to look at one file of it, or to put an upload
// into place.
struct WatcherQuestion {
  std::string volume;
  std::optional<std::string> look_at;  // path
  int64_t content_bytes_max = 0;       // of a look: the content is wanted if it is no larger
  std::optional<v1::UploadOrder> upload = {};
};

// Thread-safe.
class WatcherBoard {
 public:
  // One watcher's stream, by its address.
  using StreamKey = const void*;
  // Asks the watcher; must be quick.
  using Send = std::function<void(int64_t id, const WatcherQuestion& question)>;
  // What a look has found; empty of a flush, and of an upload that is in place. One that is not:
  // ALREADY_EXISTS when its name is taken, FAILED_PRECONDITION when it never can be, UNAVAILABLE
  // when it can't be just now.
  using Answered = absl::StatusOr<v1::FileLook>;
  // Called once, without locks, unless the question is cancelled before.
  using Done = std::function<void(const Answered&)>;

  // The volumes of a stream, as its watcher reports them now.
  void SetStream(StreamKey stream, std::vector<VolumeReport> volumes, Send send);
  // The stream is broken: what was asked for on it is UNAVAILABLE.
  void RemoveStream(StreamKey stream);

  // Returns a number to cancel it by. UNAVAILABLE (kWatcherAway): no stream has the volume.
  // FAILED_PRECONDITION: it is LOST. RESOURCE_EXHAUSTED: too many wait. `done` is not called then.
  absl::StatusOr<int64_t> Ask(const WatcherQuestion& question, Done done);
  // Forgets it: `done` will not be called, if it is not being called already. 0 does nothing.
  void Cancel(int64_t id);
  // What the watcher says. Unknown numbers are of callers that have gone.
  void Answer(StreamKey stream, int64_t id, const Answered& answer);

  // Answers all with UNAVAILABLE, and all that come. May be called any number of times.
  void Shutdown();

 private:
  struct Stream {
    std::vector<VolumeReport> volumes;
    Send send;
  };
  struct Waiting {
    StreamKey stream;
    std::string volume;
    Done done;
  };
  // Answers those for which there is an answer, and takes them off the board.
  using Verdict = std::function<std::optional<Answered>(int64_t id, const Waiting& waiting)>;
  void End(const Verdict& verdict);

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<StreamKey, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_WATCHER_BOARD_H_
