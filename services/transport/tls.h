// TLS between services, and between them and people.
#ifndef SERVICES_TRANSPORT_TLS_H_
#define SERVICES_TRANSPORT_TLS_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "closewrite/v1/config.pb.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "services/access/gate.h"
#include "services/access/role.h"

namespace closewrite {

// Files of certificates are looked at this often; connections that are made later use what they
// hold by then.
inline constexpr int kTlsReloadS = 5;

// The certificates of one process, read again when their files change. Both sides check each
// other's against the authorities. A client takes a server for a coordinator if its certificate has
// that role, whatever its address: so one certificate does for all coordinators behind a name, and
// no other certificate of the fleet passes for theirs. Thread-safe.
class Tls {
 public:
  // Of a service, which has to have `role` in its certificate and, where `host` is said, its name.
  //
  // INVALID_ARGUMENT names the key of the configuration, the file and the cure: one that is missing
  // or can't be read, a key that others can read, a certificate that has expired, belongs to
  // another key, authority, role or host.
  static absl::StatusOr<std::unique_ptr<Tls>> OfService(const v1::TlsConfig& files, Role role,
                                                        std::string_view host = "");
  // Of a service's configuration; null where that has no `tls`.
  template <class Config>
  static absl::StatusOr<std::unique_ptr<Tls>> OfConfig(const Config& config, Role role,
                                                       std::string_view host = "") {
    if (!config.has_tls()) return std::unique_ptr<Tls>();
    return OfService(config.tls(), role, host);
  }

  // Of a person or a program, with any role; or with `files.ca` alone and a token.
  static absl::StatusOr<std::unique_ptr<Tls>> OfPerson(const v1::TlsConfig& files);

  // The gate is asked before each call. It must outlive the server.
  std::shared_ptr<grpc::ServerCredentials> ForServer(Gate* gate) const;

  // The way to coordinators. Each call carries the token, if there is one.
  std::shared_ptr<grpc::ChannelCredentials> ForChannel(const std::string& token = "") const;

  // When the certificate expires that stands in the file by now.
  absl::StatusOr<absl::Time> ExpiresAt() const;

 private:
  explicit Tls(const v1::TlsConfig& files);

  const v1::TlsConfig files_;
  const std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider_;
};

// What `tls` is to a client: null, which is no TLS, when it is null.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const Tls* tls);

}  // namespace closewrite

#endif  // SERVICES_TRANSPORT_TLS_H_
