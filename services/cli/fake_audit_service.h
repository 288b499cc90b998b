// The AuditService of a fake coordinator.
#ifndef SERVICES_CLI_FAKE_AUDIT_SERVICE_H_
#define SERVICES_CLI_FAKE_AUDIT_SERVICE_H_

#include <memory>

#include "grpcpp/grpcpp.h"
#include "services/cli/fake_coordinator_state.h"

namespace closewrite::cli {

// Lists what the state has, the last one first; of the filters it knows the name alone.
std::unique_ptr<grpc::Service> MakeFakeAuditService(std::shared_ptr<FakeState> state);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_FAKE_AUDIT_SERVICE_H_
