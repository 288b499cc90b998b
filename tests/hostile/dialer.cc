#include "tests/hostile/dialer.h"

#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace closewrite::hostile {
namespace {

constexpr int kReconnectMs = 100;
constexpr size_t kChannelsMax = 64;

absl::StatusOr<std::string> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() || text.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " can't be read, or is empty"));
  }
  return text.str();
}

// A thief does not care whom it speaks to: the server's certificate is checked against the
// authority, and nothing else.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const Options& options) {
  if (!options.tls()) return grpc::InsecureChannelCredentials();
  const absl::StatusOr<std::string> ca = Read(options.ca);
  const absl::StatusOr<std::string> cert = Read(options.cert);
  const absl::StatusOr<std::string> key = Read(options.key);
  for (const auto* each : {&ca, &cert, &key}) {
    if (!each->ok()) return each->status();
  }
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions how;
  how.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
      *ca, std::vector<tls::IdentityKeyCertPair>{{*key, *cert}}));
  how.watch_root_certs();
  how.watch_identity_key_cert_pairs();
  how.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  how.set_check_call_host(false);
  return tls::TlsCredentials(how);
}

}  // namespace

absl::StatusOr<Dialer> Dialer::Make(const Options& options) {
  auto credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  return Dialer(options.coordinator, *std::move(credentials));
}

std::shared_ptr<grpc::Channel> Dialer::Dial() const {
  static absl::Mutex mutex(absl::kConstInit);
  static auto* const kept = new std::vector<std::shared_ptr<grpc::Channel>>;
  absl::MutexLock lock(&mutex);
  if (kept->size() >= kChannelsMax) return kept->back();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMs);
  kept->push_back(grpc::CreateCustomChannel(address_, credentials_, arguments));
  return kept->back();
}

}  // namespace closewrite::hostile
