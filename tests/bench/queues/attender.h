// An executor that runs nothing: answers each assignment at once, or holds it.
#ifndef TESTS_BENCH_QUEUES_ATTENDER_H_
#define TESTS_BENCH_QUEUES_ATTENDER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "services/transport/stream.h"
#include "tests/bench/queues/heartbeat.h"
#include "tests/bench/queues/stamps.h"

namespace closewrite {

// What an executor has done. Stamps are those of stamps.h.
struct Attended {
  int64_t settled = 0;
  int64_t first_assigned = 0;
  int64_t last_settled = 0;
  int64_t rerun = 0;    // assigned again under another token after the coordinator had settled it
  Latencies latencies;  // from `due_at`, or the stamp in the input's name, to the arrival
  std::vector<int64_t> settled_jobs;
};

// One executor's session. Thread-safe.
class Attender {
 public:
  struct Options {
    std::string name;
    int slots = 1;
    std::vector<std::string> volumes;
    int64_t jobs_max = 1;  // what comes after so many were answered is handed back
    int64_t due_at = 0;    // latencies are counted from here, if it is set; a stamp of stamps.h
    bool hold = false;  // tells of an assignment, says that it runs, and answers only to Answer()
    // Called for each assignment that is held.
    std::function<void(const v1::LeaseRef&)> on_held;
    absl::Duration patience = absl::Seconds(60);  // for the hello, and for the end
  };

  // Connects and says hello. `stub` must outlive it.
  static absl::StatusOr<std::unique_ptr<Attender>> Open(v1::AttendService::Stub* stub,
                                                        Options options);
  ~Attender();

  // Waits until `jobs_max` jobs are settled, or for so long; hands back what it has beyond.
  absl::StatusOr<Attended> Run(absl::Duration duration_max);
  // Says that what is held has succeeded. Returns the status that the stream ends with, or OK once
  // all of it is settled.
  absl::Status Answer();
  // Waits until so many jobs are settled; false when the stream has ended before.
  bool AwaitSettled(int64_t jobs);
  // What has been done so far.
  Attended Progress();

 private:
  using Stream = ClientStream<v1::AttendRequest, v1::AttendResponse>;
  using LeaseKey = std::pair<int64_t, int64_t>;  // job, token

  explicit Attender(Options options) : options_(std::move(options)) {}
  v1::AttendRequest Hello();
  void OnAnswer(const v1::AttendResponse& response);
  void OnAssignment(const v1::Assignment& assignment, int64_t now, v1::AttendRequest* request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnSettled(const v1::LeaseRef& lease, int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnEnd(const absl::Status& status);
  void Send(v1::AttendRequest request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Beat();

  const Options options_;
  std::shared_ptr<Stream> stream_;
  absl::Mutex mutex_;
  absl::Duration session_ttl_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t answered_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<LeaseKey, v1::AttemptOutcome> unsettled_ ABSL_GUARDED_BY(mutex_);
  std::vector<LeaseKey> held_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, int64_t> done_ ABSL_GUARDED_BY(mutex_);  // job -> token
  Attended result_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Heartbeat> heartbeat_;
};

}  // namespace closewrite

#endif  // TESTS_BENCH_QUEUES_ATTENDER_H_
