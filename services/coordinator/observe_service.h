// The stream between watchers and the coordinator: converts, calls the store loop, converts.
#ifndef SERVICES_COORDINATOR_OBSERVE_SERVICE_H_
#define SERVICES_COORDINATOR_OBSERVE_SERVICE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/observe.grpc.pb.h"
#include "services/access/callers.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/health_board.h"
#include "services/coordinator/store_loop.h"
#include "services/coordinator/waiting_room.h"
#include "services/coordinator/watcher_board.h"
#include "services/coordinator/work_budget.h"
#include "services/transport/stream.h"

namespace closewrite {

// Events that a watcher may send in one message.
inline constexpr int kEventsPerMessageMax = 512;
// Answers to questions that a watcher may send in one message.
inline constexpr int kAnswersPerMessageMax = kQuestionsWaitingMax;

// Thread-safe. Must outlive the server that it is registered with.
class ObserveService : public v1::ObserveService::CallbackService {
 public:
  // None is owned. `health`: of hosts.
  // `callers`: null where no caller has a certificate.
  ObserveService(StoreLoop* loop, ChangeFeed* feed, WatcherBoard* board, HealthBoard* health,
                 const Callers* callers = nullptr);
  ~ObserveService() override;

  grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* Observe(
      grpc::CallbackServerContext* context) override;

  // Ends all streams with UNAVAILABLE.
  void Shutdown();

 private:
  using Stream = ServerStream<v1::ObserveRequest, v1::ObserveResponse>;
  // One stream, from its hello to its end.
  struct Visit {
    std::shared_ptr<Stream> stream;
    Caller caller;
    std::string host;                   // set by the hello
    std::string ledger_id;              // likewise
    bool accepted = false;              // used on the store loop's thread alone
    int64_t number = 0;                 // likewise: see WatcherStream
    std::vector<VolumeReport> volumes;  // likewise

    WatcherStream watcher_stream() const { return {host, ledger_id, number}; }
  };
  // What one message asks for, and what is to be answered.
  struct Exchange;

  void OnMessage(const std::shared_ptr<Visit>& visit, v1::ObserveRequest request);
  absl::Status Check(Visit& visit, const v1::ObserveRequest& request, Exchange& exchange);
  static Expected WhatIsRead(const Visit& visit, const Exchange& exchange);
  static absl::Status Apply(Visit& visit, Exchange& exchange, Engine& engine, StoreTransaction& tx,
                            absl::Time now);
  void Submit(const std::shared_ptr<Visit>& visit, std::shared_ptr<Exchange> exchange);
  void Answer(const std::shared_ptr<Visit>& visit, const Exchange& exchange);
  // Says again all that a `complete` message says.
  void Refresh(const std::shared_ptr<Visit>& visit);
  void OnEnd(const std::shared_ptr<Visit>& visit);
  bool IsReplaced(const std::shared_ptr<Visit>& visit);
  void OnChange(const Effects& effects);

  StoreLoop& loop_;
  WaitingRoom<Stream> ungreeted_;
  WorkBudget budget_;
  WatcherBoard& board_;
  HealthBoard& health_;
  const Callers* const callers_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<Visit>> visits_ ABSL_GUARDED_BY(mutex_);  // by host
  std::unique_ptr<ChangeFeed::Subscription> subscription_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_OBSERVE_SERVICE_H_
