// Where certificates lie: the folder of an authority, and one for each owner.
#ifndef SERVICES_CLI_CERTS_CERTS_FOLDER_H_
#define SERVICES_CLI_CERTS_CERTS_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/access/authority.h"

namespace closewrite::cli {

inline constexpr char kDefaultFolder[] = "closewrite-certs";
inline constexpr size_t kOwnersMax = 10'000;

// ca.crt, ca.key. In ca.crt further authorities may stand that are trusted, such as the one before
// it; what is issued is issued by that whose key is there.
struct AuthorityFolder {
  std::string path;
  std::string trusted_pem;  // ca.crt
  Authority authority;
};

// ALREADY_EXISTS when the folder has an authority, or parts of one.
absl::Status WriteAuthority(const std::string& folder, const Authority& authority);
// NOT_FOUND says how to make one.
absl::StatusOr<AuthorityFolder> ReadAuthority(const std::string& folder);

// ca.crt, tls.crt, tls.key, as cert-manager's secrets have them.
struct OwnerFolder {
  std::string path;
  std::vector<Certificate> chain;  // at least one; the first is the owner's
  PrivateKey key;
};

// ALREADY_EXISTS when the folder has a certificate, or parts of one.
absl::Status CheckNoOwner(const std::string& folder, const AuthorityFolder& authority);
// The certificate comes last.
absl::Status WriteOwner(const std::string& folder, const AuthorityFolder& authority,
                        const Certificate& certificate, const PrivateKey& key);
// INVALID_ARGUMENT when key and certificate do not belong together.
absl::StatusOr<OwnerFolder> ReadOwner(const std::string& folder);
// Replaces tls.crt by one rename, and ca.crt where it differs from the authority's. A service that
// reads them has a pair that belongs together at any time, since the key is that which it was.
absl::Status RenewOwner(const std::string& folder, const AuthorityFolder& authority,
                        const Certificate& certificate);

// The folders below an authority's that have a certificate, sorted.
absl::StatusOr<std::vector<std::string>> ListOwners(const std::string& folder);

std::string CaFile(const std::string& folder);           // ca.crt
std::string CertificateFile(const std::string& folder);  // tls.crt

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_CERTS_CERTS_FOLDER_H_
