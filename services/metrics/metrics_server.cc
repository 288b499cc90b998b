#include "services/metrics/metrics_server.h"

#include <errno.h>
#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <string.h>
#include <sys/socket.h>

#include <exception>
#include <map>
#include <string_view>

#include "absl/strings/numbers.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"

namespace closewrite {
namespace {

// Scrapes that are answered side by side.
constexpr int kScrapesMax = 2;
constexpr int kPortMax = 65535;

// As Prometheus wants them: all values of a name together.
std::vector<prometheus::MetricFamily> Families(std::vector<Metric> metrics) {
  std::vector<prometheus::MetricFamily> families;
  std::map<std::string, size_t> by_name;
  for (Metric& metric : metrics) {
    const auto [entry, added] = by_name.emplace(metric.name, families.size());
    if (added) {
      families.push_back({metric.name,
                          metric.help,
                          metric.type == MetricType::kCounter ? prometheus::MetricType::Counter
                                                              : prometheus::MetricType::Gauge,
                          {}});
    }
    prometheus::ClientMetric value;
    for (auto& [name, text] : metric.labels) value.label.push_back({name, std::move(text)});
    if (metric.type == MetricType::kCounter) {
      value.counter.value = metric.value;
    } else {
      value.gauge.value = metric.value;
    }
    families[entry->second].metric.push_back(std::move(value));
  }
  return families;
}

class Collector : public prometheus::Collectable {
 public:
  explicit Collector(CollectMetrics collect) : collect_(std::move(collect)) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return Families(collect_()); }

 private:
  const CollectMetrics collect_;
};

struct Address {
  std::string host;  // without brackets; "" stands for all
  std::string port;
};

absl::StatusOr<Address> Parse(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  int port = 0;
  const bool valid = colon != std::string::npos && listen.find(',') == std::string::npos &&
                     absl::SimpleAtoi(listen.substr(colon + 1), &port) && port >= 0 &&
                     port <= kPortMax;
  if (!valid) {
    return absl::InvalidArgumentError(
        StrCat("metrics: \"", listen,
               "\" is not an address to listen on; write host:port, such as "
               "127.0.0.1:9464"));
  }
  Address address{listen.substr(0, colon), StrCat(port)};
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

absl::Status CannotListen(const std::string& listen, std::string_view why) {
  return absl::UnavailableError(
      StrCat("metrics: cannot listen on ", listen, ": ", why,
             "; name another address, or stop the program that has this one"));
}

// Why an address can't be had, which the HTTP server does not tell. Returns it as numbers.
absl::StatusOr<std::string> Resolve(const std::string& listen) {
  const absl::StatusOr<Address> address = Parse(listen);
  if (!address.ok()) return address.status();
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const bool any = address->host.empty() || address->host == "*";
  const std::string host = any ? "0.0.0.0" : address->host;
  const int error = getaddrinfo(host.c_str(), address->port.c_str(), &hints, &found);
  if (error != 0) return CannotListen(listen, gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const Fd probe(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  if (!probe.ok() || setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
      bind(probe.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(probe.get(), 1) != 0) {
    return CannotListen(listen, strerror(errno));
  }
  char numeric[NI_MAXHOST];
  if (getnameinfo(found->ai_addr, found->ai_addrlen, numeric, sizeof(numeric), nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return CannotListen(listen, "it can't be written as numbers");
  }
  return found->ai_family == AF_INET6 ? StrCat("[", numeric, "]:", address->port)
                                      : StrCat(numeric, ":", address->port);
}

}  // namespace

class MetricsServer::Exposer {
 public:
  Exposer(const std::string& address, CollectMetrics collect)
      : collector_(std::make_shared<Collector>(std::move(collect))),
        exposer_(address, kScrapesMax) {
    exposer_.RegisterCollectable(collector_);
  }
  int port() const {
    const std::vector<int> ports = exposer_.GetListeningPorts();
    return ports.empty() ? 0 : ports[0];
  }

 private:
  const std::shared_ptr<Collector> collector_;
  prometheus::Exposer exposer_;  // its end waits for its threads
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& listen,
                                                                    CollectMetrics collect) {
  const absl::StatusOr<std::string> address = Resolve(listen);
  if (!address.ok()) return address.status();
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  // The library throws when it can't listen.
  try {
    server->exposer_ = std::make_unique<Exposer>(*address, std::move(collect));
  } catch (const std::exception& error) {
    return CannotListen(listen, error.what());
  }
  server->port_ = server->exposer_->port();
  LogInfo("serving metrics", {{"listen", listen}, {"port", server->port_}});
  return server;
}

MetricsServer::~MetricsServer() { Shutdown(); }

void MetricsServer::Shutdown() { exposer_.reset(); }

}  // namespace closewrite
