// One thread that fills the open streams of a service, so that the store loop, which notices
// changes, never has to read or to write for a reader.
#ifndef SERVICES_COORDINATOR_API_STREAM_PUMP_H_
#define SERVICES_COORDINATOR_API_STREAM_PUMP_H_

#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace closewrite {

// Streams of one service that may be open at once.
inline constexpr size_t kOpenStreamsMax = 10000;

// A stream to be filled.
class PumpedStream {
 public:
  virtual ~PumpedStream() = default;
  // Called on the pump's thread. Does a bounded piece of work, so that other streams have their
  // turn.
  virtual void Pump() = 0;
  // Ends it; may be called from any thread, any number of times.
  virtual void End(const absl::Status& status) = 0;
};

// Thread-safe. The first stream starts the thread. Lock order: a stream may call Wake while it
// holds locks of its own; the pump calls streams without holding any.
class StreamPump {
 public:
  StreamPump() = default;
  ~StreamPump() { Shutdown(); }

  // Ends all streams with UNAVAILABLE, and those that are added later at once. May be called any
  // number of times.
  void Shutdown();

  // UNAVAILABLE after Shutdown, RESOURCE_EXHAUSTED beyond kOpenStreamsMax.
  absl::Status Add(const std::shared_ptr<PumpedStream>& stream);
  void Remove(const PumpedStream* stream);
  // The stream is pumped soon; many wakes until then count as one.
  void Wake(const PumpedStream* stream);
  void WakeAll();

 private:
  struct Entry {
    std::weak_ptr<PumpedStream> stream;
    bool queued = false;
  };

  void Queue(const PumpedStream* stream, Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  // Waits for work; nullptr with `*running` false when the pump is to stop.
  std::shared_ptr<PumpedStream> Next(bool* running);

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const PumpedStream*, Entry> streams_ ABSL_GUARDED_BY(mutex_);
  // Each of `streams_` at most once.
  std::deque<const PumpedStream*> queue_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_STREAM_PUMP_H_
