#include "services/cli/certs/certs_show.h"

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "services/access/certificate.h"
#include "services/cli/certs/certificate_output.h"
#include "services/cli/certs/certs_folder.h"
#include "services/cli/certs/whole_file.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

// What a service would refuse about the certificate of a folder, beside its validity.
std::string FolderProblem(const std::string& folder, const std::vector<Certificate>& chain) {
  const auto owner = ReadOwner(folder);
  if (!owner.ok()) return std::string(owner.status().message());
  const auto trusted_pem = ReadWhole(CaFile(folder));
  if (!trusted_pem.ok()) return std::string(trusted_pem.status().message());
  const auto trusted = Certificate::ReadAll(*trusted_pem);
  if (!trusted.ok()) return StrCat(CaFile(folder), ": ", trusted.status().message());
  return std::string(CheckIssued(chain, *trusted, {}).message());
}

// True when all is well with it.
absl::StatusOr<bool> ShowFile(Invocation& invocation, const std::string& file,
                              const std::string& folder) {
  const auto pem = ReadWhole(file);
  if (!pem.ok()) return pem.status();
  const auto chain = Certificate::ReadAll(*pem);
  if (!chain.ok()) return absl::InvalidArgumentError(StrCat(file, ": ", chain.status().message()));
  bool well = true;
  for (const Certificate& certificate : *chain) {
    const auto identity = certificate.identity();
    std::string problem;
    if (!certificate.is_authority() && !identity.ok()) {
      problem = std::string(identity.status().message());
    } else if (!folder.empty() && &certificate == &chain->front()) {
      problem = FolderProblem(folder, *chain);
    }
    PrintCertificate(invocation, file, certificate, problem);
    well = well && problem.empty() && invocation.now() >= certificate.not_before() &&
           invocation.now() < certificate.not_after();
  }
  return well;
}

// A folder is an owner's, or the authority's.
absl::StatusOr<bool> ShowPath(Invocation& invocation, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return ShowFile(invocation, path, "");
  if (IsThere(CertificateFile(path)) || !IsThere(CaFile(path))) {
    return ShowFile(invocation, CertificateFile(path), path);
  }
  auto well = ShowFile(invocation, CaFile(path), "");
  if (!well.ok()) return well;
  const auto owners = ListOwners(path);
  if (!owners.ok()) return owners.status();
  for (const std::string& owner : *owners) {
    const auto each = ShowFile(invocation, CertificateFile(owner), owner);
    if (!each.ok()) invocation.Note(ToStd(each.status().message()));
    *well = *well && each.ok() && *each;
  }
  return well;
}

absl::StatusOr<int> Show(Invocation& invocation, const std::vector<std::string>& paths) {
  bool well = true;
  for (const std::string& path : paths) {
    const auto each = ShowPath(invocation, path);
    if (!each.ok()) invocation.Note(ToStd(each.status().message()));
    well = well && each.ok() && *each;
  }
  return well ? kExitOk : kExitRefused;
}

}  // namespace

Command ShowCommand() {
  Command command{"certs show", "FILE|FOLDER...",
                  "Show what certificates say: role, name, volumes or labels, and how long they "
                  "are valid. Of the authority's folder, all that are in it. Exits with 1 when one "
                  "has expired or is wrong: key and certificate that do not belong together, an "
                  "issuer that ca.crt does not have."};
  command.examples =
      "closewrite certs show /etc/closewrite/tls\n"
      "closewrite certs show closewrite-certs -o json | jq -r 'select(.valid | not) | .file'\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto paths = std::make_shared<std::vector<std::string>>();
    app.add_option("PATH", *paths, "A file in PEM's form, or a folder with ca.crt and tls.crt")
        ->required();
    return [paths](Invocation& invocation) { return Show(invocation, *paths); };
  };
  return command;
}

}  // namespace closewrite::cli
