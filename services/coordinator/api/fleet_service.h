// Who is there, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
#define SERVICES_COORDINATOR_API_FLEET_SERVICE_H_

#include "closewrite/v1/fleet.grpc.pb.h"
#include "services/coordinator/api/api_options.h"

namespace closewrite {

// Thread-safe.
class FleetService : public v1::FleetService::CallbackService {
 public:
  explicit FleetService(const ApiOptions& options) : loop_(*options.loop) {}

  grpc::ServerUnaryReactor* ListExecutors(grpc::CallbackServerContext* context,
                                          const v1::ListExecutorsRequest* request,
                                          v1::ListExecutorsResponse* response) override;
  grpc::ServerUnaryReactor* ListWatchers(grpc::CallbackServerContext* context,
                                         const v1::ListWatchersRequest* request,
                                         v1::ListWatchersResponse* response) override;
  grpc::ServerUnaryReactor* DrainExecutors(grpc::CallbackServerContext* context,
                                           const v1::DrainExecutorsRequest* request,
                                           v1::DrainExecutorsResponse* response) override;
  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const v1::GetVersionRequest* request,
                                       v1::GetVersionResponse* response) override;

 private:
  StoreLoop& loop_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
