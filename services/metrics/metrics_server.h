// Serves numbers to Prometheus.
#ifndef SERVICES_METRICS_METRICS_SERVER_H_
#define SERVICES_METRICS_METRICS_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/metrics/metric.h"

namespace closewrite {

using CollectMetrics = std::function<std::vector<Metric>()>;

// An HTTP server with nothing but `/metrics`. Thread-safe.
class MetricsServer {
 public:
  // `listen` is `host:port`; port 0 takes a free one. `service` is whose metrics they are;
  // `collect` is called for them at each scrape, from the server's threads. Those of the process
  // are added.
  //
  // INVALID_ARGUMENT when `listen` is no such address, UNAVAILABLE when it can't be had; the
  // message says which key of the configuration to look at.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              std::string service,
                                                              CollectMetrics collect);
  ~MetricsServer();

  int port() const { return port_; }
  // Waits for the scrapes that run; `collect` is not called any more. Any number of times.
  void Shutdown();

 private:
  class Exposer;  // keeps Prometheus' headers out of this one

  MetricsServer() = default;

  std::unique_ptr<Exposer> exposer_;
  int port_ = 0;
};

}  // namespace closewrite

#endif  // SERVICES_METRICS_METRICS_SERVER_H_
