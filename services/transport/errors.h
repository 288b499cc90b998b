// absl::Status <-> grpc::Status, with google.rpc details.
#ifndef SERVICES_TRANSPORT_ERRORS_H_
#define SERVICES_TRANSPORT_ERRORS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"

namespace closewrite {

// Attaches google.rpc.ErrorInfo (domain "closewrite") to be sent along with the status.
absl::Status WithReason(absl::Status status, std::string_view reason,
                        const std::map<std::string, std::string>& metadata = {});
// Attaches one google.rpc.BadRequest field violation; may be called again to add more.
absl::Status WithField(absl::Status status, std::string_view field, std::string_view description);

// The reason attached, or "".
std::string Reason(const absl::Status& status);

// Codes are the same numbers; details travel as google.rpc.Status in `grpc-status-details-bin`.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_ERRORS_H_
