// Who is there, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
#define SERVICES_COORDINATOR_API_FLEET_SERVICE_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/fleet.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/health_board.h"

namespace closewrite {

// Of one state so many jobs are counted, beside those that are available.
inline constexpr int64_t kCountedMax = 100'000;
// Jobs are counted again after this long, and not before the count has been idle for this many
// times as long as it took.
inline constexpr absl::Duration kCountPause = absl::Milliseconds(500);
inline constexpr int kCountPauseFactor = 20;

// Thread-safe.
class FleetService : public v1::FleetService::CallbackService {
 public:
  // Neither board is owned, and both must outlive the server.
  FleetService(const ApiOptions& options, const HealthBoard* executors,
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
  // Those of before while somebody else counts, or has just done so.
  absl::StatusOr<std::vector<JobCount>> Counts();

  const ApiOptions api_;
  StoreLoop& loop_;
  const HealthBoard& executors_;
  const HealthBoard& watchers_;
  absl::Mutex mutex_;
  JobTotals totals_ ABSL_GUARDED_BY(mutex_);
  bool counting_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<JobCount> counts_ ABSL_GUARDED_BY(mutex_);
  absl::Duration count_again_at_ ABSL_GUARDED_BY(mutex_);  // since boot
  std::unique_ptr<ChangeFeed::Subscription> subscription_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_FLEET_SERVICE_H_
