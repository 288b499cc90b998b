// Incidents and the messages that tell of them: converts, calls, converts.
#ifndef SERVICES_COORDINATOR_API_ALERT_SERVICE_H_
#define SERVICES_COORDINATOR_API_ALERT_SERVICE_H_

#include <functional>
#include <string>
#include <utility>

#include "closewrite/v1/alert.grpc.pb.h"
#include "services/coordinator/api/alert_codec.h"
#include "services/coordinator/api/api_options.h"

namespace closewrite {

// Of ListMessages.
inline constexpr int64_t kMessagesDefault = 100;
inline constexpr int64_t kMessagesMax = 1000;
inline constexpr int kMessageIdsMax = 100;

// Thread-safe.
class AlertService : public v1::AlertService::CallbackService {
 public:
  // `new_id` gives a fresh UUID, from any thread.
  AlertService(const ApiOptions& options, AlertRoutes routes, std::function<std::string()> new_id)
      : api_(options),
        loop_(*options.loop),
        routes_(std::move(routes)),
        new_id_(std::move(new_id)) {}

  grpc::ServerUnaryReactor* ListIncidents(grpc::CallbackServerContext* context,
                                          const v1::ListIncidentsRequest* request,
                                          v1::ListIncidentsResponse* response) override;
  grpc::ServerUnaryReactor* ListMessages(grpc::CallbackServerContext* context,
                                         const v1::ListMessagesRequest* request,
                                         v1::ListMessagesResponse* response) override;
  grpc::ServerUnaryReactor* TestAlert(grpc::CallbackServerContext* context,
                                      const v1::TestAlertRequest* request,
                                      v1::TestAlertResponse* response) override;

 private:
  absl::Status FindIncidents(const v1::ListIncidentsRequest& request,
                             v1::ListIncidentsResponse* response);
  absl::Status FindMessages(const v1::ListMessagesRequest& request,
                            v1::ListMessagesResponse* response);
  // Who is told of what is wrong with the pipeline or task that the request names.
  absl::StatusOr<Recipients> RecipientsOf(const v1::TestAlertRequest& request, Engine& engine,
                                          StoreReader& reader) const;

  const ApiOptions api_;
  StoreLoop& loop_;
  const AlertRoutes routes_;
  const std::function<std::string()> new_id_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_ALERT_SERVICE_H_
