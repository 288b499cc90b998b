// What ran, what it has loaded, and how far: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_MONITOR_SERVICE_H_
#define SERVICES_COORDINATOR_API_MONITOR_SERVICE_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/monitor.grpc.pb.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/slow_calls.h"

namespace closewrite {

// Of ListExecutions and ListLoads.
inline constexpr int32_t kReportsDefault = 1000;
inline constexpr int32_t kReportsMax = 10'000;
inline constexpr int kImportedIncrementsMax = 1000;

// Thread-safe.
class MonitorService : public v1::MonitorService::CallbackService {
 public:
  // `new_id` gives a fresh UUID, from any thread.
  MonitorService(const ApiOptions& options, std::function<std::string()> new_id)
      : api_(options), loop_(*options.loop), new_id_(std::move(new_id)) {}

  // Ends reports that are being made with UNAVAILABLE. May be called any number of times.
  void Shutdown() { reports_.Shutdown(); }

  grpc::ServerUnaryReactor* StartExecution(grpc::CallbackServerContext* context,
                                           const v1::StartExecutionRequest* request,
                                           v1::StartExecutionResponse* response) override;
  grpc::ServerUnaryReactor* EndExecution(grpc::CallbackServerContext* context,
                                         const v1::EndExecutionRequest* request,
                                         v1::EndExecutionResponse* response) override;
  grpc::ServerUnaryReactor* ListExecutions(grpc::CallbackServerContext* context,
                                           const v1::ListExecutionsRequest* request,
                                           v1::ListExecutionsResponse* response) override;
  grpc::ServerUnaryReactor* LogLoad(grpc::CallbackServerContext* context,
                                    const v1::LogLoadRequest* request,
                                    v1::LogLoadResponse* response) override;
  grpc::ServerUnaryReactor* GetIncrement(grpc::CallbackServerContext* context,
                                         const v1::GetIncrementRequest* request,
                                         v1::GetIncrementResponse* response) override;
  grpc::ServerUnaryReactor* ListIncrements(grpc::CallbackServerContext* context,
                                           const v1::ListIncrementsRequest* request,
                                           v1::ListIncrementsResponse* response) override;
  grpc::ServerUnaryReactor* ImportIncrements(grpc::CallbackServerContext* context,
                                             const v1::ImportIncrementsRequest* request,
                                             v1::ImportIncrementsResponse* response) override;
  grpc::ServerUnaryReactor* ListLoads(grpc::CallbackServerContext* context,
                                      const v1::ListLoadsRequest* request,
                                      v1::ListLoadsResponse* response) override;
  grpc::ServerUnaryReactor* LogModel(grpc::CallbackServerContext* context,
                                     const v1::LogModelRequest* request,
                                     v1::LogModelResponse* response) override;
  grpc::ServerUnaryReactor* GetReport(grpc::CallbackServerContext* context,
                                      const v1::GetReportRequest* request,
                                      v1::GetReportResponse* response) override;

 private:
  absl::Status FindIncrement(const v1::GetIncrementRequest& request,
                             v1::GetIncrementResponse* response);
  absl::Status FindIncrements(const v1::ListIncrementsRequest& request,
                              v1::ListIncrementsResponse* response);
  absl::Status FindLoads(const v1::ListLoadsRequest& request, v1::ListLoadsResponse* response);
  absl::Status FindExecutions(const v1::ListExecutionsRequest& request,
                              v1::ListExecutionsResponse* response);
  absl::StatusOr<absl::Time> StoreNow();

  const ApiOptions api_;
  StoreLoop& loop_;
  const std::function<std::string()> new_id_;
  SlowCalls reports_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_MONITOR_SERVICE_H_
