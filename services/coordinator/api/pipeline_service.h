// Pipelines, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_PIPELINE_SERVICE_H_
#define SERVICES_COORDINATOR_API_PIPELINE_SERVICE_H_

#include <utility>

#include "closewrite/v1/pipeline.grpc.pb.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/health_board.h"

namespace closewrite {

inline constexpr int kFilesPerTestMax = 1000;
// Files times pipelines in one call of TestPipelines.
inline constexpr size_t kVerdictsMax = 20000;

// Thread-safe.
class PipelineService : public v1::PipelineService::CallbackService {
 public:
  // `watchers`: how their hosts do; not owned.
  PipelineService(const ApiOptions& options, const HealthBoard* watchers,
                  AlertRoutes alert_routes = {})
      : api_(options),
        loop_(*options.loop),
        watchers_(*watchers),
        alert_routes_(std::move(alert_routes)) {}

  grpc::ServerUnaryReactor* ApplyPipelines(grpc::CallbackServerContext* context,
                                           const v1::ApplyPipelinesRequest* request,
                                           v1::ApplyPipelinesResponse* response) override;
  grpc::ServerUnaryReactor* ListPipelines(grpc::CallbackServerContext* context,
                                          const v1::ListPipelinesRequest* request,
                                          v1::ListPipelinesResponse* response) override;
  grpc::ServerUnaryReactor* DeletePipeline(grpc::CallbackServerContext* context,
                                           const v1::DeletePipelineRequest* request,
                                           v1::DeletePipelineResponse* response) override;
  grpc::ServerUnaryReactor* TestPipelines(grpc::CallbackServerContext* context,
                                          const v1::TestPipelinesRequest* request,
                                          v1::TestPipelinesResponse* response) override;

 private:
  absl::Status List(const v1::ListPipelinesRequest& request, v1::ListPipelinesResponse* response);
  absl::Status Test(const v1::TestPipelinesRequest& request, v1::TestPipelinesResponse* response);

  const ApiOptions api_;
  StoreLoop& loop_;
  const HealthBoard& watchers_;
  const AlertRoutes alert_routes_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_PIPELINE_SERVICE_H_
