#include "services/executor/execute_service.h"

namespace closewrite::executor {

grpc::ServerUnaryReactor* ExecuteService::DescribeExecutor(grpc::CallbackServerContext* context,
                                                           const v1::DescribeExecutorRequest*,
                                                           v1::DescribeExecutorResponse* response) {
  *response = describe_();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace closewrite::executor
