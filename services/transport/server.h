// What every service's main has in common: a gRPC server with health and reflection, and a clean
// stop.
#ifndef SERVICES_TRANSPORT_SERVER_H_
#define SERVICES_TRANSPORT_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "services/transport/channel.h"

namespace closewrite {

// A running gRPC server. Thread-safe.
class Server {
 public:
  struct Options {
    std::string listen;          // "host:port"; port 0 takes a free one
    std::string key = "listen";  // of the configuration, for errors
    bool reflection = true;
    // Null: without TLS, and everybody may make every call.
    std::shared_ptr<grpc::ServerCredentials> credentials;
    // Not owned; must outlive the server. Each is SERVING in grpc.health.v1 under its full name, as
    // is "".
    std::vector<grpc::Service*> services;
  };

  // UNAVAILABLE when the address can't be bound (`listen: cannot serve on 0.0.0.0:7400: address
  // already in use`).
  static absl::StatusOr<std::unique_ptr<Server>> Start(Options options);

  ~Server();
  int port() const { return port_; }
  // What health checks of `service` are told from now on.
  void SetServing(const std::string& service, bool serving);
  // Reports NOT_SERVING to health checks, so that clients go elsewhere, while calls go on.
  void Drain();
  // Ends all calls after `grace` at the latest. May be called any number of times.
  void Shutdown(absl::Duration grace);

 private:
  Server() = default;
  grpc::CallbackGenericService nothing_;  // every call is UNIMPLEMENTED
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// Blocks SIGTERM and SIGINT in this thread and all that it starts later; call first in main.
void BlockStopSignals();
// Whether one of them has come since.
bool StopSignalIsPending();
// Waits for SIGTERM or SIGINT. Returns the signal.
int WaitForStopSignal();

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_SERVER_H_
