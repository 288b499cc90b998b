// Who is there, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
#define SERVICES_COORDINATOR_API_FLEET_SERVICE_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "closewrite/v1/fleet.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/job_counter.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/health_board.h"

namespace closewrite {

// Thread-safe.
class FleetService : public v1::FleetService::CallbackService {
 public:
  // Neither board nor the counter is owned; all must outlive the server.
  FleetService(const ApiOptions& options, JobCounter* counter, const HealthBoard* executors,
               const HealthBoard* watchers);

  grpc::ServerUnaryReactor* ListExecutors(grpc::CallbackServerContext* context,
                                          const v1::ListExecutorsRequest* request,
                                          v1::ListExecutorsResponse* response) override;
  grpc::ServerUnaryReactor* ListWatchers(grpc::CallbackServerContext* context,
                                         const v1::ListWatchersRequest* request,
                                         v1::ListWatchersResponse* response) override;
  grpc::ServerUnaryReactor* DrainExecutors(grpc::CallbackServerContext* context,
                                           const v1::DrainExecutorsRequest* request,
                                           v1::DrainExecutorsResponse* response) override;
  grpc::ServerUnaryReactor* GetOverview(grpc::CallbackServerContext* context,
                                        const v1::GetOverviewRequest* request,
                                        v1::GetOverviewResponse* response) override;
  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const v1::GetVersionRequest* request,
                                       v1::GetVersionResponse* response) override;

 private:
  const ApiOptions api_;
  StoreLoop& loop_;
  JobCounter& counter_;
  const HealthBoard& executors_;
  const HealthBoard& watchers_;
  absl::Mutex mutex_;
  JobTotals totals_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<ChangeFeed::Subscription> subscription_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
