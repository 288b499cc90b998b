// How the coordinator may be reached, and by whom.
#ifndef SERVICES_COORDINATOR_FRONT_DOOR_H_
#define SERVICES_COORDINATOR_FRONT_DOOR_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "closewrite/v1/config.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/access/gate.h"
#include "services/metrics/metric.h"
#include "services/transport/tls.h"

namespace closewrite {

// Must outlive the server. Thread-safe.
class FrontDoor {
 public:
  // INVALID_ARGUMENT names the key of the configuration: certificates or tokens that are not right,
  // an address that other hosts reach without them. Warns where that was asked for.
  // `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<FrontDoor>> Make(const v1::CoordinatorConfig& config,
                                                         const Clock* clock);

  // Who calls; null where there is no TLS, and no way to tell.
  const Callers* callers() const { return gate_.get(); }
  const Tls* tls() const { return tls_.get(); }  // null: none
  // For the server; null: no TLS.
  std::shared_ptr<grpc::ServerCredentials> credentials() const;
  // What was refused, and until when the certificate is good.
  std::vector<Metric> Metrics() const;

 private:
  FrontDoor() = default;

  std::unique_ptr<Tls> tls_;    // null: none
  std::unique_ptr<Gate> gate_;  // likewise
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_FRONT_DOOR_H_
