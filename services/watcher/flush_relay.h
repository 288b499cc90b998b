// The coordinator's flush requests of one stream, on their way through the engines and the ledger.
#ifndef SERVICES_WATCHER_FLUSH_RELAY_H_
#define SERVICES_WATCHER_FLUSH_RELAY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace closewrite::watcher {

// Requests of one stream that may wait; further ones are refused.
inline constexpr size_t kFlushRequestsMax = 1024;

// At most one flush of a volume is under way; requests that come meanwhile share the next one. A
// request is answered when everything that its flush found in the ledger is acknowledged.
// Thread-safe.
class FlushRelay : public std::enable_shared_from_this<FlushRelay> {
 public:
  // Answers with the ledger's sequence of the last thing that happened before, or with why it can't
  // be told; from any thread, or from within the call.
  using Done = std::function<void(absl::StatusOr<int64_t>)>;
  using Flush = std::function<void(const std::string& volume, Done done)>;
  struct Options {
    Flush flush;
    std::function<void()> wake;  // Step has something to do; called without locks of others
    // Whether everything up to a sequence is acknowledged, and the newest sequence.
    std::function<bool(int64_t sequence)> settled;
    std::function<int64_t()> newest;
  };
  static std::shared_ptr<FlushRelay> Make(Options options) {
    return std::shared_ptr<FlushRelay>(new FlushRelay(std::move(options)));
  }

  struct Answer {
    int64_t id = 0;
    std::string error;  // "": everything is acknowledged
  };

  void Ask(int64_t id, const std::string& volume);
  // Starts flushes that wait for their turn, and returns the answers that there are.
  std::vector<Answer> Step();
  // The stream is gone: nothing is called any more once it has returned, but `flush`es that are
  // under way may still answer.
  void Close();

 private:
  struct Volume {
    bool busy = false;
    std::vector<int64_t> running;
    std::vector<int64_t> next;
  };
  // A flush that has answered: what must be acknowledged.
  struct Round {
    int64_t sequence = 0;
    bool again = false;
    std::vector<int64_t> ids;
  };

  explicit FlushRelay(Options options) : options_(std::move(options)) {}
  void Start(const std::string& volume);
  void Finish(const std::string& volume, const absl::StatusOr<int64_t>& sequence);
  bool IsSettled(Round* round) const;

  const Options options_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Volume> volumes_ ABSL_GUARDED_BY(mutex_);
  std::vector<Round> rounds_ ABSL_GUARDED_BY(mutex_);
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FLUSH_RELAY_H_
