// The MonitorService of a fake coordinator.
#ifndef SERVICES_CLI_FAKE_MONITOR_SERVICE_H_
#define SERVICES_CLI_FAKE_MONITOR_SERVICE_H_

#include <memory>

#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

// Executions and loads are kept in the state, with the first hour of 2100 for all times.
std::unique_ptr<grpc::Service> MakeFakeMonitorService(std::shared_ptr<FakeState> state);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_MONITOR_SERVICE_H_
