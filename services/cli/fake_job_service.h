// The JobService of a fake coordinator.
#ifndef SERVICES_CLI_FAKE_JOB_SERVICE_H_
#define SERVICES_CLI_FAKE_JOB_SERVICE_H_

#include <memory>

#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

std::unique_ptr<grpc::Service> MakeFakeJobService(std::shared_ptr<FakeState> state);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_JOB_SERVICE_H_
