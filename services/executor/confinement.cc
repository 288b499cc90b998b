#include "services/executor/confinement.h"

#include <unistd.h>

#include "services/executor/placeholders.h"
#include "services/executor/sandbox_trial.h"
#include "services/executor/secrets.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

constexpr int kEnvironmentFilesMax = 100;
// Of those that results can be staged in; all of them may be more than a process can have open.
constexpr size_t kTriedVolumesMax = 100;

absl::Status CheckEnvironmentFiles(const v1::ExecutorConfig& config) {
  if (config.env_files_size() > kEnvironmentFilesMax) {
    return absl::InvalidArgumentError(StrCat("env_files: there are ", config.env_files_size(),
                                             "; at most ", kEnvironmentFilesMax, " are allowed"));
  }
  for (const auto& [name, file] : config.env_files()) {
    if (absl::Status s = CheckHostVariable("env_files", name); !s.ok()) return s;
    const std::string shown = StrCat("env_files: `", Display(name), "`");
    if (config.env().count(name) != 0) {
      return absl::InvalidArgumentError(StrCat(shown, " is in `env` too; remove it from one"));
    }
    if (file.empty() || file.front() != '/') {
      return absl::InvalidArgumentError(
          StrCat(shown, ": ", Display(file), " is not an absolute path; start it with '/'"));
    }
  }
  return absl::OkStatus();
}

// What of the sandbox's private folders has to be seen there nevertheless.
std::vector<std::string> KeptPaths(const AllowedCommands& allowed, const LocalVolumes& volumes) {
  std::vector<std::string> paths = allowed.entries();
  for (const auto& [name, volume] : volumes) paths.push_back(volume.root);
  return KeptInSandbox(paths);
}

// What attempts will want to have there, beside what is kept.
std::vector<std::string> WithWritable(std::vector<std::string> kept, const std::string& state,
                                      const LocalVolumes& volumes) {
  const size_t all = kept.size() + kTriedVolumesMax;
  kept.push_back(StrCat("w", state));
  for (const auto& [name, volume] : volumes) {
    if (!volume.read_only && kept.size() < all)
      kept.push_back(StrCat("w", volume.root, "/", kPrivateDir, "/staging"));
  }
  return kept;
}

void Warn(const Confinement& confinement, const Account& user) {
  for (const std::string& warning : confinement.allowed.Warnings(user)) LogWarn(warning);
  if (confinement.sandbox && user.uid == 0) {
    LogWarn("sandbox: commands run as root, which finds ways out of it; set run_as");
  }
  for (const auto& [variable, file] : confinement.environment_files) {
    const std::string warning = WarningOfEnvironmentFile(variable, file);
    if (!warning.empty()) LogWarn(warning);
  }
}

}  // namespace

absl::Status CompleteConfinement(v1::ExecutorConfig* config) {
  if (!config->has_no_new_privs()) config->set_no_new_privs(true);
  return CheckEnvironmentFiles(*config);
}

absl::StatusOr<Confinement> ConfinementOf(const v1::ExecutorConfig& config,
                                          const LocalVolumes& volumes, int supervisor_image) {
  Confinement confinement;
  confinement.executor = config.name();
  confinement.allowed =
      AllowedCommands({config.allow_commands().begin(), config.allow_commands().end()});
  absl::Status good = confinement.allowed.Check();
  if (!good.ok()) return good;
  if (!config.run_as().empty()) {
    auto account = FindAccount(config.run_as());
    if (!account.ok()) return account.status();
    confinement.run_as = *std::move(account);
  }
  confinement.no_new_privs = config.no_new_privs();
  confinement.environment_files = {config.env_files().begin(), config.env_files().end()};
  confinement.sandbox = config.sandbox() == v1::SANDBOX_READ_ONLY;
  if (confinement.sandbox) {
    confinement.kept = KeptPaths(confinement.allowed, volumes);
    good = TrySandbox(supervisor_image, WithWritable(confinement.kept, config.state(), volumes));
    if (!good.ok()) return good;
  }
  Warn(confinement, confinement.run_as.has_value() ? *confinement.run_as : OwnAccount());
  return confinement;
}

}  // namespace closewrite::executor
