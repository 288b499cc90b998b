// A private authority: issues certificates to the services and the people of one fleet.
#ifndef SERVICES_ACCESS_AUTHORITY_H_
#define SERVICES_ACCESS_AUTHORITY_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/access/certificate.h"
#include "services/access/identity.h"

namespace closewrite {

// X.520's upper bound of a common name (RFC 5280, appendix A.1).
inline constexpr size_t kAuthorityNameBytesMax = 64;
inline constexpr size_t kHostNamesMax = 64;
// Clocks of hosts differ: a certificate holds from so long before it was issued.
inline constexpr absl::Duration kClockSkew = absl::Minutes(5);

// What a certificate is to say.
struct CertificateOrder {
  Identity identity;
  // Where it will be reached, for clients that check names of hosts; ours check its role instead.
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  absl::Duration validity;
};

// INVALID_ARGUMENT says what is wrong with a name such as `vm-a.example.org` or `*.example.org`, or
// with an address.
absl::Status CheckDnsName(std::string_view name);
absl::Status CheckIpAddress(std::string_view address);

// Copies share the key.
class Authority {
 public:
  // With a new key and a certificate that it has signed itself, from kClockSkew before `now`. It
  // can issue to services and people, but make no further authorities.
  static absl::StatusOr<Authority> Make(std::string_view name, absl::Duration validity,
                                        absl::Time now);
  // INVALID_ARGUMENT when the key is that of none of the certificates, or when that one may not
  // issue. The others are authorities that are trusted beside it, such as the one before it.
  static absl::StatusOr<Authority> Read(std::string_view certificates_pem,
                                        std::string_view key_pem);

  const Certificate& certificate() const { return trusted_[own_]; }
  const std::vector<Certificate>& trusted() const { return trusted_; }
  const PrivateKey& key() const { return key_; }

  // A certificate for the owner of `key`. It ends no later than the authority's own.
  // INVALID_ARGUMENT for a wrong order; FAILED_PRECONDITION when the authority has expired.
  absl::StatusOr<Certificate> Issue(const CertificateOrder& order, const PrivateKey& key,
                                    absl::Time now) const;

 private:
  Authority(std::vector<Certificate> trusted, size_t own, PrivateKey key)
      : trusted_(std::move(trusted)), own_(own), key_(std::move(key)) {}

  std::vector<Certificate> trusted_;
  size_t own_;
  PrivateKey key_;
};

}  // namespace closewrite

#endif  // SERVICES_ACCESS_AUTHORITY_H_
