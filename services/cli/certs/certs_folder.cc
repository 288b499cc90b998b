#include "services/cli/certs/certs_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "services/cli/certs/whole_file.h"
#include "services/log/str_cat.h"
#include "services/volume/file_system.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

std::string CaKeyFile(const std::string& folder) { return Join(folder, "ca.key"); }
std::string KeyFile(const std::string& folder) { return Join(folder, "tls.key"); }

absl::Status Named(const std::string& file, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), StrCat(Display(file), ": ", status.message()));
}

}  // namespace

std::string CaFile(const std::string& folder) { return Join(folder, "ca.crt"); }
std::string CertificateFile(const std::string& folder) { return Join(folder, "tls.crt"); }

absl::Status WriteAuthority(const std::string& folder, const Authority& authority) {
  if (absl::Status s = MakePrivateFolder(folder); !s.ok()) return s;
  for (const std::string& file : {CaFile(folder), CaKeyFile(folder)}) {
    if (!IsThere(file)) continue;
    return absl::AlreadyExistsError(
        StrCat("there is an authority: ", Display(file),
               " exists, and what it has issued would be worth nothing without it; name another ",
               "folder with --in"));
  }
  const auto key = authority.key().Pem();
  if (!key.ok()) return key.status();
  const auto certificate = authority.certificate().Pem();
  if (!certificate.ok()) return certificate.status();
  const absl::Status s = WriteWhole(CaKeyFile(folder), *key, kPrivateMode, IfThere::kRefuse);
  if (!s.ok()) return s;
  return WriteWhole(CaFile(folder), *certificate, kPublicMode, IfThere::kRefuse);
}

absl::StatusOr<AuthorityFolder> ReadAuthority(const std::string& folder) {
  auto trusted = ReadWhole(CaFile(folder));
  if (absl::IsNotFound(trusted.status())) {
    return absl::NotFoundError(StrCat("there is no authority in ", Display(folder),
                                      "; `closewrite certs init` makes one, and --in says where ",
                                      "it is"));
  }
  if (!trusted.ok()) return trusted.status();
  if (absl::Status s = CheckPrivate(CaKeyFile(folder)); !s.ok()) return s;
  const auto key = ReadWhole(CaKeyFile(folder));
  if (!key.ok()) return key.status();
  auto authority = Authority::Read(*trusted, *key);
  if (!authority.ok()) return Named(folder, authority.status());
  return AuthorityFolder{folder, *std::move(trusted), *std::move(authority)};
}

absl::Status CheckNoOwner(const std::string& folder, const AuthorityFolder& authority) {
  if (IsThere(CertificateFile(folder))) {
    return absl::AlreadyExistsError(
        StrCat(Display(folder), " has a certificate; `closewrite certs renew ", Display(folder),
               "` makes it last longer, and --out names another folder"));
  }
  if (IsThere(KeyFile(folder))) {
    return absl::AlreadyExistsError(StrCat(
        Display(folder), " has a key without a certificate; remove ", Display(KeyFile(folder)),
        " if nothing needs it, or name another folder with --out"));
  }
  const auto trusted = ReadWhole(CaFile(folder));
  if (absl::IsNotFound(trusted.status())) return absl::OkStatus();
  if (!trusted.ok()) return trusted.status();
  if (*trusted == authority.trusted_pem) return absl::OkStatus();
  return absl::AlreadyExistsError(StrCat(Display(CaFile(folder)), " is that of another authority; ",
                                         "name another folder with --out"));
}

absl::Status WriteOwner(const std::string& folder, const AuthorityFolder& authority,
                        const Certificate& certificate, const PrivateKey& key) {
  if (absl::Status s = MakePrivateFolder(folder); !s.ok()) return s;
  if (absl::Status s = CheckNoOwner(folder, authority); !s.ok()) return s;
  const auto key_pem = key.Pem();
  if (!key_pem.ok()) return key_pem.status();
  const auto certificate_pem = certificate.Pem();
  if (!certificate_pem.ok()) return certificate_pem.status();
  absl::Status s =
      WriteWhole(CaFile(folder), authority.trusted_pem, kPublicMode, IfThere::kReplace);
  if (s.ok()) s = WriteWhole(KeyFile(folder), *key_pem, kPrivateMode, IfThere::kRefuse);
  if (!s.ok()) return s;
  return WriteWhole(CertificateFile(folder), *certificate_pem, kPublicMode, IfThere::kRefuse);
}

absl::StatusOr<OwnerFolder> ReadOwner(const std::string& folder) {
  const auto chain_pem = ReadWhole(CertificateFile(folder));
  if (!chain_pem.ok()) return chain_pem.status();
  const auto key_pem = ReadWhole(KeyFile(folder));
  if (!key_pem.ok()) return key_pem.status();
  auto chain = Certificate::ReadAll(*chain_pem);
  if (!chain.ok()) return Named(CertificateFile(folder), chain.status());
  auto key = PrivateKey::Read(*key_pem);
  if (!key.ok()) return Named(KeyFile(folder), key.status());
  if (absl::Status s = CheckBelongTogether(chain->front(), *key); !s.ok()) return Named(folder, s);
  return OwnerFolder{folder, *std::move(chain), *std::move(key)};
}

absl::Status RenewOwner(const std::string& folder, const AuthorityFolder& authority,
                        const Certificate& certificate) {
  const auto pem = certificate.Pem();
  if (!pem.ok()) return pem.status();
  const auto trusted = ReadWhole(CaFile(folder));
  if (!trusted.ok() && !absl::IsNotFound(trusted.status())) return trusted.status();
  if (!trusted.ok() || *trusted != authority.trusted_pem) {
    const absl::Status s =
        WriteWhole(CaFile(folder), authority.trusted_pem, kPublicMode, IfThere::kReplace);
    if (!s.ok()) return s;
  }
  return WriteWhole(CertificateFile(folder), *pem, kPublicMode, IfThere::kReplace);
}

absl::StatusOr<std::vector<std::string>> ListOwners(const std::string& folder) {
  std::vector<std::string> owners;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string path = entry->path().native();
    if (!IsThere(CertificateFile(path))) continue;
    owners.push_back(path);
    if (owners.size() > kOwnersMax) {
      return absl::FailedPreconditionError(
          StrCat(Display(folder), " has more than ", kOwnersMax, " folders; name those to renew"));
    }
  }
  if (error) return ErrnoStatus(error.value(), "list", folder);
  std::sort(owners.begin(), owners.end());
  return owners;
}

}  // namespace closewrite::cli
