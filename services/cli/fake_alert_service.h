// The AlertService of a fake coordinator.
#ifndef SERVICES_CLI_FAKE_ALERT_SERVICE_H_
#define SERVICES_CLI_FAKE_ALERT_SERVICE_H_

#include <memory>

#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

// A test message is what the state says about messages, with the address that it was asked for.
std::unique_ptr<grpc::Service> MakeFakeAlertService(std::shared_ptr<FakeState> state);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_ALERT_SERVICE_H_
