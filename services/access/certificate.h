// Certificates and private keys, as files in PEM's form have them.
#ifndef SERVICES_ACCESS_CERTIFICATE_H_
#define SERVICES_ACCESS_CERTIFICATE_H_

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/access/identity.h"

namespace closewrite {

inline constexpr size_t kPemBytesMax = 1 << 20;
// In one file: a chain, or authorities that are trusted.
inline constexpr size_t kCertificatesMax = 64;

// A private key. Copies share it.
class PrivateKey {
 public:
  // A new one for ECDSA on the curve P-256.
  static absl::StatusOr<PrivateKey> Make();
  // INVALID_ARGUMENT for what is no key, and for one that needs a password.
  static absl::StatusOr<PrivateKey> Read(std::string_view pem);

  // As PKCS#8 (RFC 5958), not encrypted.
  absl::StatusOr<std::string> Pem() const;
  EVP_PKEY* get() const { return key_.get(); }

 private:
  explicit PrivateKey(EVP_PKEY* key);
  std::shared_ptr<EVP_PKEY> key_;
};

// A certificate (RFC 5280) and what it says. Copies share it.
class Certificate {
 public:
  // Takes over `certificate`.
  static absl::StatusOr<Certificate> Of(X509* certificate);
  // All of a file, at least one, in their order: the first is its owner's.
  static absl::StatusOr<std::vector<Certificate>> ReadAll(std::string_view pem);

  absl::StatusOr<std::string> Pem() const;
  X509* get() const { return certificate_.get(); }

  // Names of its owner and of who has issued it, as RFC 2253 writes them: `CN=Closewrite CA`.
  const std::string& subject() const { return subject_; }
  const std::string& issuer() const { return issuer_; }
  const std::vector<std::string>& uris() const { return uris_; }
  const std::vector<std::string>& dns_names() const { return dns_names_; }
  const std::vector<std::string>& ip_addresses() const { return ip_addresses_; }
  absl::Time not_before() const { return not_before_; }
  absl::Time not_after() const { return not_after_; }
  // Hexadecimal.
  const std::string& serial() const { return serial_; }
  // SHA-256 of it, as `openssl x509 -fingerprint -sha256` prints it.
  const std::string& fingerprint() const { return fingerprint_; }
  // It may issue others.
  bool is_authority() const { return is_authority_; }

  // INVALID_ARGUMENT when it has no role, several, or a wrong one.
  absl::StatusOr<Identity> identity() const { return IdentityOfUris(uris_); }

 private:
  explicit Certificate(X509* certificate);
  absl::Status ReadTimes();
  absl::Status ReadNames();

  std::shared_ptr<X509> certificate_;
  std::string subject_;
  std::string issuer_;
  std::vector<std::string> uris_;
  std::vector<std::string> dns_names_;
  std::vector<std::string> ip_addresses_;
  absl::Time not_before_;
  absl::Time not_after_;
  std::string serial_;
  std::string fingerprint_;
  bool is_authority_ = false;
};

// INVALID_ARGUMENT when `key` is not that of `certificate`.
absl::Status CheckBelongTogether(const Certificate& certificate, const PrivateKey& key);

// OK when one of `authorities` has issued chain[0], by way of those after it. Validity counts as of
// `when`; without it, it does not count. INVALID_ARGUMENT tells what is wrong with which.
absl::Status CheckIssued(const std::vector<Certificate>& chain,
                         const std::vector<Certificate>& authorities,
                         std::optional<absl::Time> when);

}  // namespace closewrite

#endif  // SERVICES_ACCESS_CERTIFICATE_H_
