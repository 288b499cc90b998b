// A coordinator for tests: keeps what it hears, acknowledges and orders as it is told.
#ifndef SERVICES_WATCHER_FAKE_COORDINATOR_H_
#define SERVICES_WATCHER_FAKE_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "services/transport/server.h"
#include "services/transport/stream.h"

namespace closewrite::watcher {

// Serves ObserveService on a port of its own. Thread-safe.
class FakeCoordinator : public v1::ObserveService::CallbackService {
 public:
  struct Heard {
    int streams = 0;
    int heartbeats = 0;
    v1::ObserveRequest hello;                  // the last one
    std::vector<v1::VolumeStatus> volumes;     // of the last heartbeat
    std::vector<v1::FileEvent> events;         // in the order they came, repeats too
    std::vector<v1::PublishResult> published;  // repeats too
    int published_at_once = 0;                 // the most in one message
    std::vector<v1::StagingDirectory> staging;
    std::vector<v1::FlushResult> flushed;
    std::vector<v1::LookResult> looked;

    // The newest event of a path; nullptr when there is none.
    const v1::FileEvent* Newest(const std::string& path) const;
    bool Has(const std::string& path) const { return Newest(path) != nullptr; }
  };

  FakeCoordinator();
  ~FakeCoordinator() override;

  std::string address() const;
  // Ends all streams and the server, as a crash would; Restart serves the same address again.
  void Stop();
  void Restart();

  void SetAcknowledging(bool on);
  // An order that is repeated until it is answered; and one that is swept when it is listed.
  void Order(v1::PublishOrder order);
  void SweepWhenListed() { sweeping_ = true; }
  // What pipelines want, said now and with each complete message.
  void SetInterests(std::vector<v1::VolumeInterest> interests);
  // Asked on all streams that there are; the number of the request.
  int64_t Flush(const std::string& volume);
  int64_t Look(const std::string& volume, const std::string& path);

  Heard heard() const;
  // Waits until what was heard fulfils `condition`; false after 30 s.
  bool Await(const std::function<bool(const Heard&)>& condition) const;

  grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* Observe(
      grpc::CallbackServerContext* context) override;

 private:
  using Stream = ServerStream<v1::ObserveRequest, v1::ObserveResponse>;

  void OnMessage(const std::shared_ptr<Stream>& stream, v1::ObserveRequest request);
  void SayAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddOrders(v1::ObserveResponse* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Serve(const std::string& listen);

  std::unique_ptr<Server> server_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  bool acknowledging_ ABSL_GUARDED_BY(mutex_) = true;
  int64_t withheld_ ABSL_GUARDED_BY(mutex_) = 0;  // the newest sequence that is not acknowledged
  bool sweeping_ = false;
  Heard heard_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<int64_t, int64_t>, v1::PublishOrder> orders_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::VolumeInterest> interests_ ABSL_GUARDED_BY(mutex_);
  int64_t last_question_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Stream*, std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::watcher

#endif  // SERVICES_WATCHER_FAKE_COORDINATOR_H_
