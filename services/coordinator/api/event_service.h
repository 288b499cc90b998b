// Events, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_EVENT_SERVICE_H_
#define SERVICES_COORDINATOR_API_EVENT_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "closewrite/v1/event.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/stream_pump.h"
#include "services/coordinator/watcher_board.h"

namespace closewrite {

// How long FlushEvents waits, unless it is told, and at most.
inline constexpr absl::Duration kFlushTimeoutDefault = absl::Seconds(30);
inline constexpr absl::Duration kFlushTimeoutMax = absl::Minutes(10);

// Thread-safe.
class EventService : public v1::EventService::CallbackService {
 public:
  // `board` is not owned and must outlive the server.
  EventService(const ApiOptions& options, WatcherBoard* board);

  // Ends all open streams with UNAVAILABLE. May be called any number of times.
  void Shutdown() { pump_.Shutdown(); }

  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) override;
  grpc::ServerUnaryReactor* FlushEvents(grpc::CallbackServerContext* context,
                                        const v1::FlushEventsRequest* request,
                                        v1::FlushEventsResponse* response) override;

 private:
  absl::Status List(const v1::ListEventsRequest& request, v1::ListEventsResponse* response);
  // NOT_FOUND in place of UNAVAILABLE for a volume that nobody has announced.
  absl::Status ExplainFlush(const std::string& volume, const absl::Status& refused);

  StoreLoop& loop_;
  ChangeFeed& feed_;
  WatcherBoard& board_;
  StreamPump pump_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_EVENT_SERVICE_H_
