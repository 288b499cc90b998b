#include "services/metrics/metrics_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <string.h>
#include <sys/socket.h>

#include <exception>
#include <limits>
#include <map>
#include <string_view>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/metrics/process_metrics.h"
#include "services/volume/file_system.h"

namespace closewrite {
namespace {

// Scrapes that are answered side by side.
constexpr int kScrapesMax = 2;
constexpr int kPortMax = 65535;
constexpr absl::Duration kStopPause = absl::Milliseconds(5);

prometheus::MetricType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric::Histogram Convert(const Histogram& histogram) {
  prometheus::ClientMetric::Histogram converted;
  uint64_t below = 0;
  for (size_t i = 0; i < histogram.counts().size(); ++i) {
    below += static_cast<uint64_t>(histogram.counts()[i]);
    const bool last = i == histogram.bounds().size();
    converted.bucket.push_back(
        {below, last ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]});
  }
  converted.sample_count = static_cast<uint64_t>(histogram.count());
  converted.sample_sum = histogram.sum();
  return converted;
}

// As Prometheus wants them: all values of a name together.
std::vector<prometheus::MetricFamily> Families(std::vector<Metric> metrics) {
  std::vector<prometheus::MetricFamily> families;
  std::map<std::string, size_t> by_name;
  for (Metric& metric : metrics) {
    const auto [entry, added] = by_name.emplace(metric.name, families.size());
    if (added) families.push_back({metric.name, metric.help, TypeOf(metric.type), {}});
    prometheus::ClientMetric value;
    for (auto& [name, text] : metric.labels) value.label.push_back({name, std::move(text)});
    if (metric.histogram != nullptr) {
      value.histogram = Convert(*metric.histogram);
    } else if (metric.type == MetricType::kCounter) {
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
  Collector(std::string service, CollectMetrics collect)
      : process_(std::move(service)), collect_(std::move(collect)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<Metric> metrics = process_.Collect();
    for (Metric& metric : collect_()) metrics.push_back(std::move(metric));
    return Families(std::move(metrics));
  }

 private:
  const ProcessMetrics process_;
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

// An address as the system has it.
struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  std::string text;  // in numbers

  void SetPort(int port) {
    const auto network_order = htons(static_cast<uint16_t>(port));
    if (storage.ss_family == AF_INET6) {
      reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = network_order;
    } else {
      reinterpret_cast<sockaddr_in*>(&storage)->sin_port = network_order;
    }
  }
};

// Says why an address can't be had, which the HTTP server does not tell.
absl::StatusOr<SocketAddress> Resolve(const std::string& listen) {
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
  SocketAddress resolved;
  memcpy(&resolved.storage, found->ai_addr, found->ai_addrlen);
  resolved.size = found->ai_addrlen;
  resolved.text = found->ai_family == AF_INET6 ? StrCat("[", numeric, "]:", address->port)
                                               : StrCat(numeric, ":", address->port);
  return resolved;
}

}  // namespace

class MetricsServer::Exposer {
 public:
  Exposer(SocketAddress address, std::string service, CollectMetrics collect)
      : address_(std::move(address)),
        collector_(std::make_shared<Collector>(std::move(service), std::move(collect))),
        exposer_(std::make_unique<prometheus::Exposer>(address_.text, kScrapesMax)) {
    exposer_->RegisterCollectable(collector_);
    address_.SetPort(port());
  }
  // The server looks every two seconds, and at each connection, whether it is to stop.
  ~Exposer() {
    absl::Notification stopped;
    std::thread stopping([this, &stopped] {
      exposer_.reset();
      stopped.Notify();
    });
    while (!stopped.WaitForNotificationWithTimeout(kStopPause)) Knock();
    stopping.join();
  }
  int port() const {
    const std::vector<int> ports = exposer_->GetListeningPorts();
    return ports.empty() ? 0 : ports[0];
  }

 private:
  void Knock() const {
    const Fd fd(socket(address_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // If nobody answers, it has stopped.
    [[maybe_unused]] const int ignored =
        connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_.storage), address_.size);
  }

  SocketAddress address_;
  const std::shared_ptr<Collector> collector_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // its end waits for its threads
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& listen,
                                                                    std::string service,
                                                                    CollectMetrics collect) {
  absl::StatusOr<SocketAddress> address = Resolve(listen);
  if (!address.ok()) return address.status();
  std::unique_ptr<MetricsServer> server(new MetricsServer);
  // The library throws when it can't listen.
  try {
    server->exposer_ =
        std::make_unique<Exposer>(*std::move(address), std::move(service), std::move(collect));
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
