#include "services/cli/certs/certs_commands.h"

#include <memory>
#include <string>
#include <utility>

#include "services/access/authority.h"
#include "services/cli/certs/certificate_output.h"
#include "services/cli/certs/certs_folder.h"
#include "services/cli/certs/certs_renew.h"
#include "services/cli/certs/certs_show.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::cli {
namespace {

constexpr int kAuthorityDays = 3650;
constexpr int kAuthorityDaysMax = 36'500;

struct InitOptions {
  std::string in = kDefaultFolder;
  std::string name = "Closewrite CA";
  int days = kAuthorityDays;
};

struct IssueOptions {
  std::string role;
  std::string name;
  std::vector<std::string> volumes;
  std::vector<std::string> labels;
  std::vector<std::string> dns;
  std::vector<std::string> ip;
  int days = kCertificateDays;
  std::string in = kDefaultFolder;
  std::string out;
};

absl::StatusOr<int> Init(Invocation& invocation, const InitOptions& options) {
  const auto validity = ValidityOf(options.days, kAuthorityDaysMax);
  if (!validity.ok()) return validity.status();
  const auto authority = Authority::Make(options.name, *validity, invocation.now());
  if (absl::IsInvalidArgument(authority.status())) {
    return UsageError(StrCat("--name: ", authority.status().message()));
  }
  if (!authority.ok()) return authority.status();
  if (absl::Status s = WriteAuthority(options.in, *authority); !s.ok()) return s;
  PrintCertificate(invocation, CaFile(options.in), authority->certificate());
  invocation.Note(StrCat("whoever has ", Display(options.in),
                         "/ca.key can give themselves any role: keep that folder where only you "
                         "get at it, and a copy of it elsewhere"));
  return kExitOk;
}

// What the options say, or a usage error.
absl::StatusOr<CertificateOrder> OrderOf(const IssueOptions& options) {
  const auto wrong = [](const absl::Status& status) { return UsageError(ToStd(status.message())); };
  const auto role = ParseRole(options.role);
  if (!role.ok()) return wrong(role.status());
  if (*role != Role::kWatcher && !options.volumes.empty()) {
    return UsageError("--volume: only watchers are home of volumes");
  }
  if (*role != Role::kExecutor && !options.labels.empty()) {
    return UsageError("--label: only executors have labels");
  }
  if (*role == Role::kWatcher && options.volumes.empty()) {
    return UsageError(
        "a watcher needs --volume for each volume that it may be home of; '*' stands for any");
  }
  CertificateOrder order;
  order.identity = {*role, options.name,
                    *role == Role::kWatcher ? options.volumes : options.labels};
  if (absl::Status s = CheckIdentity(order.identity); !s.ok()) return wrong(s);
  const auto validity = ValidityOf(options.days, kCertificateDaysMax);
  if (!validity.ok()) return validity.status();
  order.validity = *validity;
  order.dns_names = options.dns;
  order.ip_addresses = options.ip;
  for (const std::string& name : order.dns_names) {
    if (absl::Status s = CheckDnsName(name); !s.ok()) return wrong(s);
  }
  for (const std::string& address : order.ip_addresses) {
    if (absl::Status s = CheckIpAddress(address); !s.ok()) return wrong(s);
  }
  return order;
}

absl::StatusOr<int> Issue(Invocation& invocation, const IssueOptions& options) {
  const auto order = OrderOf(options);
  if (!order.ok()) return order.status();
  const auto authority = ReadAuthority(options.in);
  if (!authority.ok()) return authority.status();
  const std::string folder =
      options.out.empty() ? Join(options.in, StrCat(options.role, "-", options.name)) : options.out;
  if (absl::Status s = CheckNoOwner(folder, *authority); !s.ok()) return s;
  const auto key = PrivateKey::Make();
  if (!key.ok()) return key.status();
  const auto issued = authority->authority.Issue(*order, *key, invocation.now());
  if (!issued.ok()) return issued.status();
  if (absl::Status s = WriteOwner(folder, *authority, *issued, *key); !s.ok()) return s;
  PrintCertificate(invocation, CertificateFile(folder), *issued);
  NoteShortened(invocation, *authority, *issued, order->validity);
  return kExitOk;
}

Command InitCommand() {
  Command command{"certs init", "[--in DIR] [--name NAME] [--days N]",
                  "Make an authority of your own, which issues certificates. Who has one already, "
                  "such as cert-manager, needs none."};
  command.examples = "closewrite certs init --in /srv/closewrite-certs --name 'Plant 4'\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<InitOptions>();
    DeclareIn(app, &options->in);
    app.add_option("--name", options->name, "What it is called")->capture_default_str();
    app.add_option("--days", options->days, "How long it is valid")->capture_default_str();
    return [options](Invocation& invocation) { return Init(invocation, *options); };
  };
  return command;
}

Command IssueCommand() {
  Command command{"certs issue",
                  "ROLE NAME [--volume V]... [--label L]... [--dns N]... [--ip A]... [--days N] "
                  "[--in DIR] [--out DIR]",
                  "Issue a certificate with its key to a service or a person. What it lets its "
                  "owner do stands in it: the role, of a watcher its volumes, of an executor its "
                  "labels."};
  command.examples =
      "closewrite certs issue coordinator vm-a\n"
      "closewrite certs issue watcher vm-b --volume unenriched --out /etc/closewrite/tls\n"
      "closewrite certs issue executor vm-c --label internet\n"
      "closewrite certs issue operator jane@example.org --days 30\n";
  command.local = true;
  command.declare = [](CLI::App& app) -> Action {
    auto options = std::make_shared<IssueOptions>();
    app.add_option("ROLE", options->role,
                   "coordinator, watcher, executor or portal; viewer, uploader, program, operator "
                   "or admin")
        ->required();
    app.add_option("NAME", options->name,
                   "Of a service: what the fleet calls its host; else whose it is")
        ->required();
    const auto several = [&app](const char* name, std::vector<std::string>* values,
                                const char* help) {
      app.add_option(name, *values, help)->allow_extra_args(false)->take_all();
    };
    several("--volume", &options->volumes,
            "The watcher may be home of this volume; '*': of any; may be repeated");
    several("--label", &options->labels,
            "The executor may have this label; '*': any; may be repeated");
    several("--dns", &options->dns,
            "A name of its host, for clients other than ours that check it; may be repeated");
    several("--ip", &options->ip, "An address of its host, for the same; may be repeated");
    app.add_option("--days", options->days, "How long it is valid")->capture_default_str();
    DeclareIn(app, &options->in);
    app.add_option("--out", options->out,
                   "Where ca.crt, tls.crt and tls.key go; ROLE-NAME in the authority's folder by "
                   "default");
    return [options](Invocation& invocation) { return Issue(invocation, *options); };
  };
  return command;
}

}  // namespace

std::vector<Command> CertsCommands() {
  return {InitCommand(), IssueCommand(), RenewCommand(), ShowCommand()};
}

}  // namespace closewrite::cli
