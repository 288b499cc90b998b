// The stream between executors and the coordinator: converts, calls the store loop, converts.
#ifndef SERVICES_COORDINATOR_ATTEND_SERVICE_H_
#define SERVICES_COORDINATOR_ATTEND_SERVICE_H_

#include <map>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "closewrite/v1/attend.grpc.pb.h"
#include "services/access/callers.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/health_board.h"
#include "services/coordinator/store_loop.h"
#include "services/coordinator/waiting_room.h"
#include "services/coordinator/work_budget.h"
#include "services/transport/stream.h"

namespace closewrite {

// Limits of EndSessionRequest; a session's id has 32 bytes.
inline constexpr size_t kSessionIdBytesMax = 128;
inline constexpr size_t kEndReasonBytesMax = 1024;

// Thread-safe. Must outlive the server that it is registered with.
class AttendService : public v1::AttendService::CallbackService {
 public:
  // None is owned. `health`: of sessions.
  // `callers`: null where no caller has a certificate.
  AttendService(StoreLoop* loop, ChangeFeed* feed, HealthBoard* health,
                const Callers* callers = nullptr);
  ~AttendService() override;

  grpc::ServerBidiReactor<v1::AttendRequest, v1::AttendResponse>* Attend(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* EndSession(grpc::CallbackServerContext* context,
                                       const v1::EndSessionRequest* request,
                                       v1::EndSessionResponse* response) override;

  // Ends all streams with UNAVAILABLE; sessions live on.
  void Shutdown();

 private:
  using Stream = ServerStream<v1::AttendRequest, v1::AttendResponse>;
  // One stream, from its hello to its end.
  struct Visit {
    std::shared_ptr<Stream> stream;
    Caller caller;
    SessionId session;  // set by the hello; used on the store loop's thread alone
    bool over = false;  // likewise: the session that the hello names is
    bool greeted = false;
  };

  void OnMessage(const std::shared_ptr<Visit>& visit, v1::AttendRequest request);
  void Greet(const std::shared_ptr<Visit>& visit, const v1::AttendRequest& request);
  // `taken` is dropped once the message is dealt with.
  void Report(const std::shared_ptr<Visit>& visit, v1::AttendRequest request,
              std::shared_ptr<void> taken);
  void OnEnd(const std::shared_ptr<Visit>& visit);
  void OnChange(const Effects& effects);
  void SendHeld(const SessionId& session, Stream* stream, v1::AttendResponse response);
  std::shared_ptr<Stream> Find(const SessionId& session);

  StoreLoop& loop_;
  HealthBoard& health_;
  const Callers* const callers_;
  WaitingRoom<Stream> ungreeted_;
  WorkBudget budget_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<SessionId, std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<ChangeFeed::Subscription> subscription_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_ATTEND_SERVICE_H_
