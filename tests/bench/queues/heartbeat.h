// Does something again and again, on a thread of its own.
#ifndef TESTS_BENCH_QUEUES_HEARTBEAT_H_
#define TESTS_BENCH_QUEUES_HEARTBEAT_H_

#include <functional>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace closewrite {

// Calls `beat` after each `interval` until it is destroyed.
class Heartbeat {
 public:
  Heartbeat(absl::Duration interval, std::function<void()> beat)
      : thread_([this, interval, beat = std::move(beat)] {
          while (!Stopped(interval)) beat();
        }) {}

  ~Heartbeat() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    thread_.join();
  }

 private:
  bool Stopped(absl::Duration patience) {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&stopped_), patience);
  }

  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last member: it uses those above
};

}  // namespace closewrite

#endif  // TESTS_BENCH_QUEUES_HEARTBEAT_H_
