// Tasks of a fake coordinator.
#ifndef SERVICES_CLI_FAKE_TASK_SERVICE_H_
#define SERVICES_CLI_FAKE_TASK_SERVICE_H_

#include <memory>
#include <vector>

#include "closewrite/v1/task.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

// Keeps `tasks` and what is applied; runs become jobs of `state`. Thread-safe.
std::unique_ptr<grpc::Service> MakeFakeTaskService(std::shared_ptr<FakeState> state,
                                                   const std::vector<v1::TaskStatus>& tasks);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_TASK_SERVICE_H_
