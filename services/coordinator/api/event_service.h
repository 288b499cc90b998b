// Events, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_EVENT_SERVICE_H_
#define SERVICES_COORDINATOR_API_EVENT_SERVICE_H_

#include "closewrite/v1/event.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/stream_pump.h"

namespace closewrite {

// Thread-safe.
class EventService : public v1::EventService::CallbackService {
 public:
  explicit EventService(const ApiOptions& options);

  // Ends all open streams with UNAVAILABLE. May be called any number of times.
  void Shutdown() { pump_.Shutdown(); }

  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) override;

 private:
  absl::Status List(const v1::ListEventsRequest& request, v1::ListEventsResponse* response);

  StoreLoop& loop_;
  ChangeFeed& feed_;
  StreamPump pump_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_EVENT_SERVICE_H_
