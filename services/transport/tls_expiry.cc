#include "services/transport/tls_expiry.h"

namespace closewrite {

std::optional<absl::Time> CertificateExpiry(const Tls* tls) {
  if (tls == nullptr) return std::nullopt;
  const absl::StatusOr<absl::Time> expires_at = tls->ExpiresAt();
  return expires_at.ok() ? std::make_optional(*expires_at) : std::nullopt;
}

void AddCertificateMetric(const std::string& prefix, const Tls* tls, std::vector<Metric>* metrics) {
  const std::optional<absl::Time> expires_at = CertificateExpiry(tls);
  if (!expires_at.has_value()) return;
  MetricList list(prefix);
  list.Gauge("certificate_expires_timestamp_seconds",
             "When the certificate in the file of `tls: cert` expires, as seconds since 1970.", {},
             absl::ToUnixSeconds(*expires_at));
  for (Metric& metric : list.Take()) metrics->push_back(std::move(metric));
}

}  // namespace closewrite
