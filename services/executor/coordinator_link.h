// The executor's side of the stream to the coordinator.
#ifndef SERVICES_EXECUTOR_COORDINATOR_LINK_H_
#define SERVICES_EXECUTOR_COORDINATOR_LINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/executor/attempt_table.h"
#include "services/executor/bell.h"
#include "services/executor/journal.h"
#include "services/executor/lease_clock.h"
#include "services/transport/channel.h"
#include "services/transport/stream.h"
#include "services/transport/tls.h"

namespace closewrite::executor {

// Heartbeats in a session's time to live. One more often than due, so that an outage of nearly half
// that time goes unnoticed by running commands.
inline constexpr int kHeartbeatsPerTtl = 5;
// Output is collected for so long before it is sent.
inline constexpr absl::Duration kOutputCoalescing = absl::Milliseconds(100);
// Pauses between two streams; jittered. The shorter limit holds while commands run, whose leases
// would run out.
inline constexpr absl::Duration kReconnectMin = absl::Milliseconds(100);
inline constexpr absl::Duration kReconnectMax = absl::Seconds(5);
inline constexpr absl::Duration kReconnectRunningMax = absl::Milliseconds(500);
// A stream whose first message is not answered within this is given up; sooner where there is
// another coordinator to turn to.
inline constexpr absl::Duration kFirstAnswerMax = absl::Seconds(10);
inline constexpr absl::Duration kFirstAnswerOfSeveralMax = absl::Seconds(1);
// Where there are several coordinators, a heartbeat may go unanswered for half of the time between
// two, but at least for this.
inline constexpr absl::Duration kUnansweredMin = absl::Milliseconds(250);
// Pause after another process has taken the session over, so that two with one state do not take it
// from each other all the time.
inline constexpr absl::Duration kTakenOverPause = absl::Seconds(2);
// A new session waits so long for the commands of the old one to be dead.
inline constexpr absl::Duration kReapMax = absl::Seconds(5);
// Messages that one turn sends before it looks at the time again.
inline constexpr int kMessagesPerTurnMax = 16;

// Keeps a session with the coordinator: hello, heartbeats, logs and results up; assignments,
// answers and withdrawals down. When the session's leases run out, because nothing was answered,
// all commands are killed (their supervisors have done so already) before anything else; when the
// coordinator no longer knows the session, all is forgotten and a new one begins. The session of an
// earlier process is resumed, and what that left goes to the table, running commands too; but for
// one that was about to be ended, because all of it was dead: then that is done first. Where
// there are several coordinators, one whose stream breaks, or that leaves a heartbeat unanswered,
// is left for another at once: well before the leases run out. Thread-safe.
class CoordinatorLink {
 public:
  struct Options {
    CoordinatorChannel* channel = nullptr;  // not owned
    const Tls* tls = nullptr;               // not owned; null: none
    v1::ExecutorHello hello;                // without session_id
    const Journal* journal = nullptr;       // remembers the session; not owned
    AttemptTable* table = nullptr;          // not owned
    Bell* bell = nullptr;                   // rung by the table, too; not owned
    std::function<void()> on_drain;         // somebody says so; called once, must not block
    std::function<std::vector<v1::VolumeHealth>()> volumes;  // must not block; may be empty
  };

  explicit CoordinatorLink(Options options);
  ~CoordinatorLink();

  void Start();
  // Breaks the stream off. May be called any number of times.
  void Shutdown();
  // Tells the coordinator to lease nothing more to this executor.
  void Drain();
  // Waits until it has recorded that, at most so long; there is nobody to wait for without a
  // stream. An executor that goes before has died, as the coordinator sees it.
  void AwaitDrained(absl::Duration within);

  // "" before the first.
  std::string session_id() const;
  bool connected() const;
  bool draining() const;
  // By the coordinator, and not because it drains already.
  bool told_to_drain() const;
  // Counts are since the start; times are on the clock of SinceBoot().
  struct Numbers {
    bool connected = false;
    bool draining = false;
    absl::Duration answered_at;     // the newest answer came; before it, when this was made
    absl::Duration lease_deadline;  // zero: never had one
    int64_t renewals = 0;
    int64_t leases_lost = 0;
    int64_t sessions = 0;
    int64_t streams = 0;
  };
  Numbers numbers() const;

 private:
  using Stream = ClientStream<v1::AttendRequest, v1::AttendResponse>;

  void Run();
  // Both false when it was told to stop meanwhile.
  bool TakeUpEarlierSession();
  bool EndEarlierSession();
  // Does all that is due at `now`; returns when it is next needed.
  absl::Duration Tick(absl::Duration now);
  void WatchLeases(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration TickStream(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Connect(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(bool heartbeat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddHealth(v1::AttendRequest* request) const;
  bool SendOne(bool heartbeat, v1::AttendRequest request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnMessage(int64_t stream_number, v1::AttendResponse response);
  void TakeHello(const v1::AttendResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnEnd(int64_t stream_number, const absl::Status& status);
  void ForgetSession() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration PauseAfter(const absl::Status& status, bool greeted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Until when the coordinator is to have answered what was sent.
  absl::Duration PatienceEnds() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration FirstAnswerMax() const {
    return options_.channel->several() ? kFirstAnswerOfSeveralMax : kFirstAnswerMax;
  }
  absl::Duration HeartbeatEvery() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return session_ttl_ / kHeartbeatsPerTtl;
  }

  const Options options_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_to_drain_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t drain_sent_ ABSL_GUARDED_BY(mutex_) = 0;  // on this stream; 0: not yet
  bool drain_recorded_ ABSL_GUARDED_BY(mutex_) = false;
  std::string session_id_ ABSL_GUARDED_BY(mutex_);
  absl::Duration session_ttl_ ABSL_GUARDED_BY(mutex_);
  LeaseClock leases_ ABSL_GUARDED_BY(mutex_);
  bool leases_lost_ ABSL_GUARDED_BY(mutex_) = false;  // and all killed

  std::unique_ptr<v1::AttendService::Stub> stub_ ABSL_GUARDED_BY(mutex_);  // of `stream_`
  // The stream of number `stream_number_`; what older ones say does not count.
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  int64_t stream_number_ ABSL_GUARDED_BY(mutex_) = 0;
  int streams_open_ ABSL_GUARDED_BY(mutex_) = 0;  // their OnEnd is still to come
  bool greeted_ ABSL_GUARDED_BY(mutex_) = false;  // the first answer has come
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration started_at_ ABSL_GUARDED_BY(mutex_);
  absl::Duration heartbeat_at_ ABSL_GUARDED_BY(mutex_);
  absl::Duration output_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::Duration connect_at_ ABSL_GUARDED_BY(mutex_);
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_) = kReconnectMin;
  int tries_at_once_ ABSL_GUARDED_BY(mutex_) = 0;  // since the last answer
  absl::Duration reap_until_ ABSL_GUARDED_BY(mutex_);
  Numbers numbers_ ABSL_GUARDED_BY(mutex_);  // the counts and `answered_at`
  absl::StatusCode last_failure_ ABSL_GUARDED_BY(mutex_) = absl::StatusCode::kOk;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_COORDINATOR_LINK_H_
