// Who changed what: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_AUDIT_SERVICE_H_
#define SERVICES_COORDINATOR_API_AUDIT_SERVICE_H_

#include "absl/status/status.h"
#include "closewrite/v1/audit.grpc.pb.h"
#include "services/coordinator/api/api_options.h"

namespace closewrite {

// Thread-safe.
class AuditService : public v1::AuditService::CallbackService {
 public:
  explicit AuditService(const ApiOptions& options) : loop_(*options.loop) {}

  grpc::ServerUnaryReactor* ListAuditEntries(grpc::CallbackServerContext* context,
                                             const v1::ListAuditEntriesRequest* request,
                                             v1::ListAuditEntriesResponse* response) override;

 private:
  absl::Status List(const v1::ListAuditEntriesRequest& request,
                    v1::ListAuditEntriesResponse* response);

  StoreLoop& loop_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_AUDIT_SERVICE_H_
