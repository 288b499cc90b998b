// Tasks, for people and programs: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_TASK_SERVICE_H_
#define SERVICES_COORDINATOR_API_TASK_SERVICE_H_

#include <utility>

#include "closewrite/v1/task.grpc.pb.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/api_options.h"

namespace closewrite {

// Of the times at which a task runs next, in GetTask.
inline constexpr int kNextRunsShown = 5;

// Thread-safe.
class TaskService : public v1::TaskService::CallbackService {
 public:
  explicit TaskService(const ApiOptions& options, AlertRoutes alert_routes = {})
      : api_(options), loop_(*options.loop), alert_routes_(std::move(alert_routes)) {}

  grpc::ServerUnaryReactor* ApplyTasks(grpc::CallbackServerContext* context,
                                       const v1::ApplyTasksRequest* request,
                                       v1::ApplyTasksResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                      const v1::ListTasksRequest* request,
                                      v1::ListTasksResponse* response) override;
  grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context,
                                    const v1::GetTaskRequest* request,
                                    v1::GetTaskResponse* response) override;
  grpc::ServerUnaryReactor* StartTasks(grpc::CallbackServerContext* context,
                                       const v1::StartTasksRequest* request,
                                       v1::StartTasksResponse* response) override;
  grpc::ServerUnaryReactor* StopTasks(grpc::CallbackServerContext* context,
                                      const v1::StopTasksRequest* request,
                                      v1::StopTasksResponse* response) override;
  grpc::ServerUnaryReactor* RemoveTask(grpc::CallbackServerContext* context,
                                       const v1::RemoveTaskRequest* request,
                                       v1::RemoveTaskResponse* response) override;
  grpc::ServerUnaryReactor* RunTask(grpc::CallbackServerContext* context,
                                    const v1::RunTaskRequest* request,
                                    v1::RunTaskResponse* response) override;

 private:
  absl::Status List(const v1::ListTasksRequest& request, v1::ListTasksResponse* response);
  absl::Status Get(const v1::GetTaskRequest& request, v1::GetTaskResponse* response);

  const ApiOptions api_;
  StoreLoop& loop_;
  const AlertRoutes alert_routes_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_TASK_SERVICE_H_
