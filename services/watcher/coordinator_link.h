// The watcher's end of the Observe stream.
#ifndef SERVICES_WATCHER_COORDINATOR_LINK_H_
#define SERVICES_WATCHER_COORDINATOR_LINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/clock/clock.h"
#include "services/transport/channel.h"
#include "services/transport/stream.h"
#include "services/transport/tls.h"
#include "services/watcher/flush_relay.h"
#include "services/watcher/ledger.h"
#include "services/watcher/publisher.h"
#include "services/watcher/upload_placer.h"
#include "services/watcher/volume_engine.h"
#include "services/watcher/volume_interest.h"

namespace closewrite::watcher {

// Stated in closewrite/v1/observe.proto.
inline constexpr int kEventsPerMessageMax = 512;
inline constexpr int kPublishedPerMessageMax = 512;
inline constexpr int kStagingPerMessageMax = 1024;
inline constexpr int kFlushedPerMessageMax = 1024;
// Past these, nothing more is sent until the coordinator acknowledges; what waits, waits in the
// ledger.
inline constexpr int64_t kUnacknowledgedEventsMax = 10'000;
inline constexpr size_t kUnacknowledgedMessagesMax = 1024;
// What the coordinator has said and the link's thread has not heard yet.
inline constexpr size_t kHeardOrdersMax = 8192;
// Looks take their time; people who ask for more at once are told what the store knows.
inline constexpr size_t kHeardLooksMax = 4;

// Where there are several coordinators, one that says nothing while so many heartbeats go by is
// left for another.
inline constexpr int kSilentHeartbeatsMax = 2;

// Keeps one stream to the coordinator, on a thread of its own: sends what the ledger has pending in
// order of sequence, again from the last acknowledgement after each reconnect; hands orders to the
// publisher and sends its outcomes until their orders disappear. Where there are several
// coordinators, one whose stream breaks is left for another at once. Thread-safe.
class CoordinatorLink {
 public:
  struct Options {
    std::string host;
    std::string version;
    std::string address;                    // of our own API; may be empty
    CoordinatorChannel* channel = nullptr;  // not owned
    const Tls* tls = nullptr;               // not owned; null: none
    Ledger* ledger = nullptr;               // not owned
    Publisher* publisher = nullptr;         // not owned
    const Clock* clock = nullptr;           // not owned
    std::function<std::vector<VolumeReport>()> report;
    // Called from the link's thread with all that pipelines want, each time the coordinator says
    // it; a volume that is missing wants nothing. May be empty.
    std::function<void(std::vector<VolumeInterest>)> on_interests;
    // Flushes a volume, also one that this host does not know; called from the link's thread.
    // Empty: flushes are refused.
    FlushRelay::Flush flush;
    // Looks at a file of a volume, also one that this host does not know; called from the link's
    // thread. Empty: nothing is looked at.
    std::function<v1::FileLook(const v1::LookRequest& request)> look;
    UploadPlacer* uploads = nullptr;  // not owned; nullptr: none is put into place
    absl::Duration backoff_min = absl::Milliseconds(100);
    absl::Duration backoff_max = absl::Seconds(5);
  };

  explicit CoordinatorLink(Options options);
  ~CoordinatorLink();

  void Start();
  // Breaks the stream off. May be called any number of times.
  void Shutdown();

  // The ledger or the publisher has something new.
  void Wake();
  // A volume's state has changed: says so without waiting for the next heartbeat.
  void HeartbeatSoon();

  // The coordinator answers.
  bool connected() const;

 private:
  using Stream = ClientStream<v1::ObserveRequest, v1::ObserveResponse>;

  // What was heard since the thread last looked; merged, so that it is bounded.
  struct Heard {
    int64_t acknowledged = 0;
    bool anything = false;
    bool complete = false;
    std::vector<v1::PublishOrder> orders;
    std::vector<v1::StagingDirectory> sweep;
    std::vector<VolumeInterest> interests;  // with `complete`
    std::vector<v1::FlushRequest> flushes;
    std::vector<v1::LookRequest> looks;
    std::vector<v1::UploadOrder> uploads;
    absl::Duration heartbeat_interval;  // zero: not said
  };

  // Of one stream; of the link's thread alone.
  struct Session {
    int64_t number = 0;  // no other has it
    std::unique_ptr<v1::ObserveService::Stub> stub;
    std::shared_ptr<Stream> stream;
    int64_t sent = 0;
    int64_t acknowledged = 0;  // what the coordinator has said
    int64_t events_in_flight = 0;
    struct Message {
      int64_t last_sequence;
      int64_t events;
    };
    std::deque<Message> in_flight;
    std::set<PublishKey> published;  // sent since the last heartbeat
    std::shared_ptr<FlushRelay> flushes;
    absl::Duration interval = absl::Seconds(3);
    absl::Time next_heartbeat;
    absl::Time heard_at;  // or begun
  };

  void Run();
  // Until the stream ends. Returns why.
  absl::Status RunSession();
  void OnMessage(v1::ObserveResponse response);
  void OnEnd(const absl::Status& status);
  absl::Duration PauseAfter(const absl::Status& ended, bool answered);
  Heard WaitForNews(absl::Time until, bool* heartbeat_soon);
  void Act(Heard heard, Session* session);
  void AddReports(v1::ObserveRequest* request) const;
  void SendHello(Session* session);
  void SendHeartbeat(Session* session);
  void SendOutcomes(Session* session);
  void SendStaging(Session* session);
  void SendEvents(Session* session);
  void SendFlushed(Session* session);
  void SendLooked(const std::vector<v1::LookRequest>& looks, Session* session);
  void SendUploaded(Session* session);
  std::shared_ptr<FlushRelay> MakeRelay();

  const Options options_;
  std::thread thread_;
  absl::BitGen random_;     // of the link's thread
  std::string last_error_;  // of the link's thread
  absl::Duration backoff_;  // of the link's thread
  int tries_at_once_ = 0;   // of the link's thread; since the last answer
  int64_t sessions_ = 0;    // of the link's thread; so far

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = true;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool heartbeat_soon_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  Heard heard_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_COORDINATOR_LINK_H_
