// Tells those who probe a service whether it lives and whether it serves: Kubernetes above all,
// whose probes can't speak TLS.
#ifndef SERVICES_TRANSPORT_PROBE_SERVER_H_
#define SERVICES_TRANSPORT_PROBE_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/transport/server.h"

namespace closewrite {

// The service that is SERVING for as long as the process lives, to be asked for by liveness probes:
// a process that drains is not to be killed.
inline constexpr const char* kAlive = "closewrite.alive";

// Serves grpc.health.v1.Health and nothing else, without TLS. Thread-safe.
class ProbeServer {
 public:
  // To be called once the service serves. `listen`: `probes` of its configuration; empty: nothing
  // is served. UNAVAILABLE when it can't be bound.
  static absl::StatusOr<std::unique_ptr<ProbeServer>> Start(const std::string& listen);

  // The whole, "", is NOT_SERVING from now on.
  void Drain();
  int port() const { return server_ == nullptr ? 0 : server_->port(); }

 private:
  ProbeServer() = default;
  std::unique_ptr<Server> server_;
};

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_PROBE_SERVER_H_
