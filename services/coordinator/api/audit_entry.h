// An entry of the audit, made of a call.
#ifndef SERVICES_COORDINATOR_API_AUDIT_ENTRY_H_
#define SERVICES_COORDINATOR_API_AUDIT_ENTRY_H_

#include <optional>
#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "grpcpp/grpcpp.h"
#include "services/access/callers.h"
#include "services/coordinator/core/audit.h"

namespace closewrite {

// An address as gRPC has it (`ipv4:10.0.0.3:5555`, `ipv6:%5B::1%5D:5555`), for people:
// `10.0.0.3:5555`, `[::1]:5555`. Others stay as they are.
std::string ShownPeer(std::string_view peer);

// What the audit is to have of a call, but for the time; nullopt when it does not have that method.
// `callers` may be null: anybody calls.
std::optional<AuditEntry> AuditEntryOf(const Callers* callers,
                                       const grpc::ServerContextBase& context,
                                       std::string_view method,
                                       const google::protobuf::Message& request);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_AUDIT_ENTRY_H_
