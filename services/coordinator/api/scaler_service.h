// KEDA's external scaler: how many jobs could use the executors that are scaled.
#ifndef SERVICES_COORDINATOR_API_SCALER_SERVICE_H_
#define SERVICES_COORDINATOR_API_SCALER_SERVICE_H_

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "externalscaler/externalscaler.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/job_counter.h"
#include "services/coordinator/api/stream_pump.h"

namespace closewrite {

inline constexpr char kScalerMetric[] = "closewrite-jobs";
inline constexpr double kJobsPerExecutorMax = 10'000;
// Of metadata; more than KEDA, or anybody by hand, has.
inline constexpr size_t kScalerMetadataMax = 256;
// How often it is looked whether those who are told by StreamIsActive have to be told.
inline constexpr absl::Duration kScalerLook = absl::Seconds(1);

// What a ScaledObject scales.
struct ScaleTarget {
  std::vector<std::string> labels;  // sorted, unique
  std::string pipeline;             // "": all
  double jobs_per_executor = 1;
};

// INVALID_ARGUMENT with what is wrong with the metadata. Keys that are not ours are KEDA's, unless
// they look like one of ours.
absl::StatusOr<ScaleTarget> ReadScaleTarget(const std::map<std::string, std::string>& metadata);

// Thread-safe.
class ScalerService : public externalscaler::ExternalScaler::CallbackService {
 public:
  // `counter` is not owned.
  ScalerService(const ApiOptions& options, JobCounter* counter);
  ~ScalerService() override { Shutdown(); }

  // Ends all open streams with UNAVAILABLE. May be called any number of times.
  void Shutdown();

  grpc::ServerUnaryReactor* IsActive(grpc::CallbackServerContext* context,
                                     const externalscaler::ScaledObjectRef* request,
                                     externalscaler::IsActiveResponse* response) override;
  grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* StreamIsActive(
      grpc::CallbackServerContext* context,
      const externalscaler::ScaledObjectRef* request) override;
  grpc::ServerUnaryReactor* GetMetricSpec(grpc::CallbackServerContext* context,
                                          const externalscaler::ScaledObjectRef* request,
                                          externalscaler::GetMetricSpecResponse* response) override;
  grpc::ServerUnaryReactor* GetMetrics(grpc::CallbackServerContext* context,
                                       const externalscaler::GetMetricsRequest* request,
                                       externalscaler::GetMetricsResponse* response) override;

 private:
  absl::StatusOr<int64_t> Count(const ScaleTarget& target);
  absl::StatusOr<int64_t> CountOf(const externalscaler::ScaledObjectRef& object);
  void Look();

  StoreLoop& loop_;
  ChangeFeed& feed_;
  JobCounter& counter_;
  StreamPump pump_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread looking_ ABSL_GUARDED_BY(mutex_);  // from the first stream on
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_SCALER_SERVICE_H_
