// Serves numbers to Prometheus.
#ifndef SERVICES_METRICS_METRICS_SERVER_H_
#define SERVICES_METRICS_METRICS_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace closewrite {

// A counter only grows while the process lives, and its name ends in `_total`.
enum class MetricType { kCounter, kGauge };

// One value. Those of one name have the same help and type, and differ in their labels' values.
struct Metric {
  std::string name;
  std::string help;
  MetricType type = MetricType::kGauge;
  std::vector<std::pair<std::string, std::string>> labels;  // name, value
  double value = 0;
};

using CollectMetrics = std::function<std::vector<Metric>()>;

// An HTTP server with nothing but `/metrics`. Thread-safe.
class MetricsServer {
 public:
  // `listen` is `host:port`; port 0 takes a free one. `collect` is called at each scrape, from the
  // server's threads.
  //
  // INVALID_ARGUMENT when `listen` is no such address, UNAVAILABLE when it can't be had; the
  // message says which key of the configuration to look at.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
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
