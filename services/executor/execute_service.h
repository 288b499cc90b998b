// Adapter: closewrite.v1.ExecuteService.
#ifndef SERVICES_EXECUTOR_EXECUTE_SERVICE_H_
#define SERVICES_EXECUTOR_EXECUTE_SERVICE_H_

#include <functional>
#include <utility>

#include "closewrite/v1/execute.grpc.pb.h"

namespace closewrite::executor {

// Answers with what `describe` returns. Thread-safe if that is.
class ExecuteService final : public v1::ExecuteService::CallbackService {
 public:
  explicit ExecuteService(std::function<v1::DescribeExecutorResponse()> describe)
      : describe_(std::move(describe)) {}

  grpc::ServerUnaryReactor* DescribeExecutor(grpc::CallbackServerContext* context,
                                             const v1::DescribeExecutorRequest* request,
                                             v1::DescribeExecutorResponse* response) override;

 private:
  const std::function<v1::DescribeExecutorResponse()> describe_;
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_EXECUTE_SERVICE_H_
