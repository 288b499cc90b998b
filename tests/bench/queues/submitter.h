// A watcher without a file system: submits events of files that do not exist, and waits until they
// are durable.
#ifndef TESTS_BENCH_QUEUES_SUBMITTER_H_
#define TESTS_BENCH_QUEUES_SUBMITTER_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "services/transport/stream.h"
#include "tests/bench/queues/heartbeat.h"
#include "tests/bench/queues/stamps.h"

namespace closewrite {

// What is submitted, and how.
struct Shape {
  int in_flight_max = 1;    // calls that wait for their acknowledgement
  int events_per_call = 1;  // a call is as many messages as its events need
  int64_t calls_max = 1;
  absl::Duration duration_max = absl::InfiniteDuration();  // no call begins after it
};

// What came of it. `latencies` are of whole calls, from just before they are sent to their
// acknowledgement.
struct Submitted {
  int64_t events = 0;
  int64_t began = 0;  // stamps; see stamps.h
  int64_t ended = 0;
  Latencies latencies;
};

// One watcher's stream. Thread-safe; one shape at a time.
class Submitter {
 public:
  struct Options {
    std::string host;
    std::string volume;
    size_t path_bytes = 100;
    bool ordered_names = false;
    bool create = false;  // names appear, in place of files that are finished
    absl::Duration patience = absl::Seconds(60);  // for the hello, and without any acknowledgement
  };

  // Connects and says hello. `stub` must outlive it.
  static absl::StatusOr<std::unique_ptr<Submitter>> Open(v1::ObserveService::Stub* stub,
                                                         const Options& options);
  ~Submitter();

  // Keeps calls in flight until the shape is done.
  absl::StatusOr<Submitted> Run(const Shape& shape);
  // Begins a call each `interval` whatever comes back, then waits for what is in flight.
  absl::StatusOr<Submitted> RunPaced(const Shape& shape, absl::Duration interval);

 private:
  using Stream = ClientStream<v1::ObserveRequest, v1::ObserveResponse>;
  struct Call {
    int64_t last_sequence;
    int events;
    int64_t sent_at;
  };

  explicit Submitter(const Options& options);
  v1::ObserveRequest Hello();
  void AddVolume(v1::ObserveRequest* request);
  void OnAnswer(const v1::ObserveResponse& response);
  void OnEnd(const absl::Status& status);
  void BeginCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillFlight() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Settled() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Submitted> Finish();

  const Options options_;
  const std::string ledger_id_;
  std::shared_ptr<Stream> stream_;
  absl::Mutex mutex_;
  StampedNames names_ ABSL_GUARDED_BY(mutex_);
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  Shape shape_ ABSL_GUARDED_BY(mutex_);
  bool refills_ ABSL_GUARDED_BY(mutex_) = false;  // an acknowledgement begins the next call
  int64_t deadline_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t calls_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  const int64_t first_sequence_ = StampNow();
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = first_sequence_;
  std::deque<Call> flight_ ABSL_GUARDED_BY(mutex_);
  Submitted result_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Heartbeat> heartbeat_;
};

}  // namespace closewrite

#endif  // TESTS_BENCH_QUEUES_SUBMITTER_H_
