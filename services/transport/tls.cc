#include "services/transport/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "services/access/certificate.h"
#include "services/access/identity.h"
#include "services/clock/clock.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::TlsCustomVerificationCheckRequest;

// Takes a server for a coordinator if its certificate says so. That an authority which we trust has
// issued that has been checked before.
class IsCoordinator final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  bool Verify(TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* status) override {
    std::vector<std::string> uris;
    for (const grpc::string_ref& uri : request->uri_names()) {
      uris.emplace_back(uri.data(), uri.size());
    }
    const absl::StatusOr<Identity> identity = IdentityOfUris(uris);
    if (identity.ok() && identity->role == Role::kCoordinator) {
      *status = grpc::Status::OK;
      return true;
    }
    *status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                           "the certificate of what serves there is not that of a coordinator");
    return true;
  }
  void Cancel(TlsCustomVerificationCheckRequest* /*request*/) override {}
};

absl::Status Wrong(std::string_view key, const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("tls: ", key, ": ", Display(path), " ", why));
}

absl::StatusOr<std::string> ReadPem(std::string_view key, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(StrCat("tls: ", key, ": is missing; give ca, cert and key"));
  }
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Wrong(key, path, StrCat("can't be read: ", strerror(errno)));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat st = {};
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return Wrong(key, path, "is not a file");
  if (static_cast<size_t>(st.st_size) > kPemBytesMax) {
    return Wrong(key, path, StrCat("has more than ", kPemBytesMax, " bytes"));
  }
  if (key == "key" && (st.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
    return Wrong(key, path, "can be read or changed by others; chmod 600 it");
  }
  std::string text(static_cast<size_t>(st.st_size), '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got < 0) return Wrong(key, path, StrCat("can't be read: ", strerror(errno)));
  text.resize(static_cast<size_t>(got));
  return text;
}

absl::StatusOr<std::vector<Certificate>> ReadCertificates(std::string_view key,
                                                          const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadPem(key, path);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<std::vector<Certificate>> certificates = Certificate::ReadAll(*pem);
  if (certificates.ok()) return certificates;
  return Wrong(key, path, StrCat("is wrong: ", certificates.status().message()));
}

// The identity of the certificate, if all fits together.
absl::StatusOr<Identity> Check(const v1::TlsConfig& files) {
  const auto authorities = ReadCertificates("ca", files.ca());
  if (!authorities.ok()) return authorities.status();
  const auto chain = ReadCertificates("cert", files.cert());
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<std::string> pem = ReadPem("key", files.key());
  if (!pem.ok()) return pem.status();
  const absl::StatusOr<PrivateKey> key = PrivateKey::Read(*pem);
  if (!key.ok()) return Wrong("key", files.key(), StrCat("is wrong: ", key.status().message()));
  if (absl::Status s = CheckBelongTogether(chain->front(), *key); !s.ok()) {
    return Wrong("key", files.key(), StrCat("does not fit: ", s.message()));
  }
  if (absl::Status s = CheckIssued(*chain, *authorities, WallTime()); !s.ok()) {
    return Wrong("cert", files.cert(), StrCat("is not good: ", s.message()));
  }
  absl::StatusOr<Identity> identity = chain->front().identity();
  if (identity.ok()) return identity;
  return Wrong("cert", files.cert(), StrCat("is not good: ", identity.status().message()));
}

std::shared_ptr<grpc::experimental::CertificateProviderInterface> Provider(
    const v1::TlsConfig& files) {
  if (files.cert().empty()) {
    return std::make_shared<FileWatcherCertificateProvider>(files.ca(), kTlsReloadS);
  }
  return std::make_shared<FileWatcherCertificateProvider>(files.key(), files.cert(), files.ca(),
                                                          kTlsReloadS);
}

}  // namespace

Tls::Tls(const v1::TlsConfig& files) : files_(files), provider_(Provider(files)) {}

absl::StatusOr<std::unique_ptr<Tls>> Tls::OfService(const v1::TlsConfig& files, Role role,
                                                    std::string_view host) {
  const absl::StatusOr<Identity> identity = Check(files);
  if (!identity.ok()) return identity.status();
  const bool fits = identity->role == role && (host.empty() || identity->name == host);
  if (fits) return std::unique_ptr<Tls>(new Tls(files));
  return Wrong(
      "cert", files.cert(),
      StrCat("is that of ", RoleName(identity->role), " ", identity->name, "; needed is one of ",
             RoleName(role), host.empty() ? "" : " ", host, ": `closewrite certs issue ",
             RoleName(role), " ", host.empty() ? "NAME" : host, "`"));
}

absl::StatusOr<std::unique_ptr<Tls>> Tls::OfPerson(const v1::TlsConfig& files) {
  if (!files.cert().empty() || !files.key().empty()) {
    const absl::StatusOr<Identity> identity = Check(files);
    if (!identity.ok()) return identity.status();
  } else if (auto authorities = ReadCertificates("ca", files.ca()); !authorities.ok()) {
    return authorities.status();
  }
  return std::unique_ptr<Tls>(new Tls(files));
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForServer(Gate* gate) const {
  grpc::experimental::TlsServerCredentialsOptions options(provider_);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // Who comes with a token needs none; the gate sees to it that everybody has one of the two.
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(gate->Processor());
  return credentials;
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ForChannel(const std::string& token) const {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider_);
  options.watch_root_certs();
  if (!files_.cert().empty()) options.watch_identity_key_cert_pairs();
  options.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<IsCoordinator>());
  options.set_check_call_host(false);
  auto credentials = grpc::experimental::TlsCredentials(options);
  if (token.empty()) return credentials;
  return grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
}

absl::StatusOr<absl::Time> Tls::ExpiresAt() const {
  const auto chain = ReadCertificates("cert", files_.cert());
  if (!chain.ok()) return chain.status();
  return chain->front().not_after();
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const Tls* tls) {
  return tls == nullptr ? nullptr : tls->ForChannel();
}

}  // namespace closewrite
