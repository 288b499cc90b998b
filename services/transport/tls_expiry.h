// Until when a service's certificate is good, for those who watch over it. Thread-safe.
#ifndef SERVICES_TRANSPORT_TLS_EXPIRY_H_
#define SERVICES_TRANSPORT_TLS_EXPIRY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/metrics/metric.h"
#include "services/transport/tls.h"

namespace closewrite {

// Of the certificate that stands in the file by now. Nothing: there is no TLS (null), or the file
// can't be read.
std::optional<absl::Time> CertificateExpiry(const Tls* tls);

// The gauge `PREFIXcertificate_expires_timestamp_seconds`, if there is something to tell. `prefix`
// is that of the service, such as `closewrite_watcher_`.
void AddCertificateMetric(const std::string& prefix, const Tls* tls, std::vector<Metric>* metrics);

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_TLS_EXPIRY_H_
