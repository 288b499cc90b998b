#include "services/coordinator/front_door.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/access/token_book.h"
#include "services/log/log.h"
#include "services/transport/address.h"
#include "services/transport/tls_expiry.h"

namespace closewrite {
namespace {

// What is served without TLS is served to this host alone, unless it was said otherwise.
absl::Status CheckReach(const v1::CoordinatorConfig& config) {
  const absl::StatusOr<HostPort> at = ParseHostPort("listen", config.listen());
  if (!at.ok()) return at.status();
  if (config.has_tls()) {
    if (!config.insecure()) return absl::OkStatus();
    return absl::InvalidArgumentError("insecure: is said beside `tls`; leave one of them out");
  }
  if (!config.tokens().empty()) {
    return absl::InvalidArgumentError(
        "tokens: would cross the network in clear; they need `tls: {ca, cert, key}`");
  }
  if (IsLoopback(at->host)) return absl::OkStatus();
  if (config.insecure()) {
    LogWarn("INSECURE: without `tls` whoever reaches this address may have any command run",
            {{"listen", config.listen()}});
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "listen: ", config.listen(),
      " can be reached from other hosts, and whoever reaches it may have any command run; give "
      "`tls: {ca, cert, key}` (`closewrite certs` makes the files), listen on 127.0.0.1, or say "
      "`insecure: true` if the network keeps strangers out"));
}

absl::StatusOr<std::unique_ptr<Gate>> MakeGate(const v1::CoordinatorConfig& config,
                                               const Clock* clock) {
  if (config.tokens().empty()) return std::make_unique<Gate>();
  absl::StatusOr<std::unique_ptr<TokenBook>> tokens = TokenBook::Load(config.tokens(), clock);
  if (!tokens.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("tokens: ", tokens.status().message()));
  }
  return std::make_unique<Gate>(*std::move(tokens));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrontDoor>> FrontDoor::Make(const v1::CoordinatorConfig& config,
                                                           const Clock* clock) {
  if (absl::Status s = CheckReach(config); !s.ok()) return s;
  auto door = std::unique_ptr<FrontDoor>(new FrontDoor);
  absl::StatusOr<std::unique_ptr<Tls>> tls = Tls::OfConfig(config, Role::kCoordinator);
  if (!tls.ok()) return tls.status();
  if (*tls == nullptr) return door;
  door->tls_ = *std::move(tls);
  absl::StatusOr<std::unique_ptr<Gate>> gate = MakeGate(config, clock);
  if (!gate.ok()) return gate.status();
  door->gate_ = *std::move(gate);
  return door;
}

std::shared_ptr<grpc::ServerCredentials> FrontDoor::credentials() const {
  return tls_ == nullptr ? nullptr : tls_->ForServer(gate_.get());
}

std::vector<Metric> FrontDoor::Metrics() const {
  MetricList list("closewrite_coordinator_");
  if (gate_ == nullptr) return list.Take();
  const Gate::Numbers numbers = gate_->numbers();
  constexpr std::string_view kRefused = "Calls that were not let in.";
  list.Counter("calls_refused_total", kRefused, {{"reason", "unauthenticated"}},
               numbers.unauthenticated);
  list.Counter("calls_refused_total", kRefused, {{"reason", "forbidden"}}, numbers.forbidden);
  std::vector<Metric> metrics = list.Take();
  AddCertificateMetric("closewrite_coordinator_", tls_.get(), &metrics);
  return metrics;
}

}  // namespace closewrite
