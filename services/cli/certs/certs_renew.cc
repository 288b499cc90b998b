#include "services/cli/certs/certs_renew.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "services/access/authority.h"
#include "services/cli/certs/certificate_output.h"
#include "services/cli/time_text.h"
#include "services/config/duration.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

struct RenewOptions {
  std::vector<std::string> folders;
  bool all = false;
  std::string within = "30d";
  int days = kCertificateDays;
  std::string in = kDefaultFolder;
};

// What the certificate of a folder says, once it is sure that our authority has said so: whoever
// may write to the folder must not be able to choose a role.
absl::StatusOr<CertificateOrder> OrderOf(const OwnerFolder& owner,
                                         const AuthorityFolder& authority) {
  const Certificate& certificate = owner.chain.front();
  // That it has expired is no reason against a new one.
  const absl::Status issued = CheckIssued(owner.chain, authority.authority.trusted(), {});
  if (!issued.ok()) {
    return absl::FailedPreconditionError(StrCat(
        Display(owner.path), ": ", issued.message(), "; it was not issued by an authority ", "of ",
        Display(CaFile(authority.path)), ", so issue one anew: `closewrite certs ", "issue`"));
  }
  auto identity = certificate.identity();
  if (!identity.ok()) {
    return absl::FailedPreconditionError(
        StrCat(Display(owner.path), ": ", identity.status().message()));
  }
  CertificateOrder order;
  order.identity = *std::move(identity);
  order.dns_names = certificate.dns_names();
  order.ip_addresses = certificate.ip_addresses();
  return order;
}

absl::Status RenewOne(Invocation& invocation, const OwnerFolder& owner,
                      const AuthorityFolder& authority, absl::Duration validity) {
  auto order = OrderOf(owner, authority);
  if (!order.ok()) return order.status();
  order->validity = validity;
  const auto issued = authority.authority.Issue(*order, owner.key, invocation.now());
  if (!issued.ok()) return issued.status();
  if (absl::Status s = RenewOwner(owner.path, authority, *issued); !s.ok()) return s;
  PrintCertificate(invocation, CertificateFile(owner.path), *issued);
  NoteShortened(invocation, authority, *issued, validity);
  return absl::OkStatus();
}

absl::StatusOr<int> Renew(Invocation& invocation, const RenewOptions& options) {
  if (options.all != options.folders.empty()) {
    return UsageError("say --all, or name the folders whose certificates are to be renewed");
  }
  const auto within = ParseDuration(options.within);
  if (!within.ok()) return UsageError(StrCat("--within: ", within.status().message()));
  const auto validity = ValidityOf(options.days, kCertificateDaysMax);
  if (!validity.ok()) return validity.status();
  const auto authority = ReadAuthority(options.in);
  if (!authority.ok()) return authority.status();
  std::vector<std::string> folders = options.folders;
  if (options.all) {
    auto owners = ListOwners(options.in);
    if (!owners.ok()) return owners.status();
    folders = *std::move(owners);
  }
  int renewed = 0;
  int failed = 0;
  absl::Time first_end = absl::InfiniteFuture();  // of those that are good for longer
  for (const std::string& folder : folders) {
    const auto owner = ReadOwner(folder);
    absl::Status status = owner.status();
    if (owner.ok()) {
      const absl::Time end = owner->chain.front().not_after();
      if (options.all && end - invocation.now() > *within) {
        first_end = std::min(first_end, end);
        continue;
      }
      status = RenewOne(invocation, *owner, *authority, *validity);
    }
    renewed += status.ok() ? 1 : 0;
    failed += status.ok() ? 0 : 1;
    // One that can't be renewed must not keep the others from it.
    if (!status.ok()) invocation.Note(ToStd(status.message()));
  }
  if (renewed + failed == 0) {
    invocation.Note(folders.empty() ? StrCat("there are no certificates in ", Display(options.in))
                                    : StrCat("none expires within ", options.within,
                                             "; the first does at ", Rfc3339(first_end)));
  }
  return failed == 0 ? kExitOk : kExitRefused;
}

}  // namespace

absl::StatusOr<absl::Duration> ValidityOf(int days, int days_max) {
  if (days >= 1 && days <= days_max) return days * kDay;
  return UsageError(StrCat("--days: ", days, " is not 1 to ", days_max));
}

void NoteShortened(Invocation& invocation, const AuthorityFolder& authority,
                   const Certificate& issued, absl::Duration validity) {
  const absl::Time end = authority.authority.certificate().not_after();
  if (issued.not_after() < end || invocation.now() + validity <= end) return;
  invocation.Note(StrCat("it ends with its authority, at ", Rfc3339(end)));
}

void DeclareIn(CLI::App& app, std::string* in) {
  app.add_option("--in", *in, "Folder of the authority")->capture_default_str();
}

Command RenewCommand() {
  Command command{"certs renew", "FOLDER...|--all [--within TIME] [--days N] [--in DIR]",
                  "Replace certificates by others that last longer. Role, names and key stay, so "
                  "tls.crt alone changes, by one rename, and services that have it take it within "
                  "seconds. Where a service has a copy, copy tls.crt and ca.crt there."};
  command.examples =
      "closewrite certs renew closewrite-certs/watcher-vm-b\n"
      "closewrite certs renew --all --within 30d      # each night\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<RenewOptions>();
    app.add_option("FOLDER", options->folders, "With ca.crt, tls.crt and tls.key");
    app.add_flag("--all", options->all, "All in the authority's folder that expire soon");
    app.add_option("--within", options->within, "How soon, with --all")->capture_default_str();
    app.add_option("--days", options->days, "How long they are valid from now on")
        ->capture_default_str();
    DeclareIn(app, &options->in);
    return [options](Invocation& invocation) { return Renew(invocation, *options); };
  };
  return command;
}

}  // namespace closewrite::cli
