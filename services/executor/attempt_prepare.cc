// How an attempt comes to the command that it runs.
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "services/config/config.h"
#include "services/executor/attempt.h"
#include "services/executor/missing_program.h"
#include "services/executor/secrets.h"
#include "services/log/str_cat.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

std::string SearchPath(const std::vector<std::string>& environment) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string& entry : environment) {
    if (entry.compare(0, kName.size(), kName) == 0) return entry.substr(kName.size());
  }
  return "";
}

}  // namespace

absl::Status Attempt::Stage(const std::optional<Account>& run_as) {
  absl::Status made = staging_->Make(facts_.path, run_as);
  if (made.ok()) return made;
  trouble_ = Trouble(assignment_.output_volume());
  // What was missing may be there by now.
  return trouble_.has_value() ? made : staging_->Make(facts_.path, run_as);
}

absl::StatusOr<CommandOptions> Attempt::Prepare() {
  CommandOptions options;
  auto arguments =
      ExpandCommand({assignment_.command().begin(), assignment_.command().end()}, facts_);
  if (!arguments.ok()) return arguments.status();
  options.arguments = *std::move(arguments);
  options.nice = assignment_.nice();
  options.nofile = assignment_.nofile();
  options.groups = context_->groups;
  options.limits = {.memory_bytes = assignment_.memory_bytes(),
                    .cpu_millis = assignment_.cpu_millis(),
                    .nice = assignment_.nice()};
  absl::Status allowed = CheckOpenFiles();
  if (!allowed.ok()) return allowed;
  auto user = User();
  if (!user.ok()) return user.status();
  options.run_as = *std::move(user);
  auto environment = Environment(options.run_as.has_value() ? *options.run_as : context_->account);
  if (!environment.ok()) return environment.status();
  options.environment = *std::move(environment);
  auto directory = WorkingDirectory(options.run_as);
  if (!directory.ok()) return directory.status();
  options.directory = *std::move(directory);
  ended_command_.place.directory = options.directory;
  ended_command_.place.path = SearchPath(options.environment);
  allowed = FindAllowedProgram(&options);
  if (!allowed.ok()) return allowed;
  if (staging_.has_value()) {
    absl::Status staged = Stage(options.run_as);
    if (!staged.ok()) return staged;
  }
  Confine(&options);
  absl::Status recorded = context_->journal->RecordStart(assignment_);
  if (!recorded.ok()) return recorded;
  options.supervisor_image = context_->supervisor_image;
  options.files = context_->journal->FilesOf(assignment_.lease());
  options.logs = context_->journal->logs();
  options.outlive = context_->commands_outlive;
  options.timeout = FromProto(assignment_.timeout());
  options.kill_after = FromProto(assignment_.kill_after());
  return options;
}

absl::Status Attempt::Refuse(std::string_view why) {
  refused_ = true;
  return absl::FailedPreconditionError(StrCat(why, "; change the configuration of executor ",
                                              context_->confinement.executor,
                                              ", or choose another executor by a label"));
}

absl::StatusOr<std::optional<Account>> Attempt::User() {
  const std::optional<Account>& ours = context_->confinement.run_as;
  if (assignment_.run_as().empty()) return ours;
  auto account = FindAccount(assignment_.run_as());
  if (ours.has_value() && (!account.ok() || account->uid != ours->uid)) {
    return Refuse(StrCat("run_as: executor ", context_->confinement.executor,
                         " runs all commands as ", ours->name, ", not as ",
                         Display(assignment_.run_as())));
  }
  if (!account.ok()) return account.status();
  return *std::move(account);
}

// What is executed is what was looked at: between the two a link may change, not this path.
absl::Status Attempt::FindAllowedProgram(CommandOptions* options) {
  const AllowedCommands& allowed = context_->confinement.allowed;
  if (allowed.everything()) return absl::OkStatus();
  const std::string& program = options->arguments.front();
  const std::string found = FindProgram(program, ended_command_.place);
  auto file = found.empty() ? absl::NotFoundError("") : allowed.Resolve(found);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(DescribeMissingProgram(program, ended_command_.place));
  }
  if (!file.ok()) {
    return Refuse(StrCat("program `", Display(program), "`", ToStd(file.status().message()),
                         " may not run on executor ", context_->confinement.executor,
                         ": it is not among its allow_commands"));
  }
  options->file = *std::move(file);
  return absl::OkStatus();
}

void Attempt::Confine(CommandOptions* options) const {
  const Confinement& confinement = context_->confinement;
  options->no_new_privs = confinement.no_new_privs;
  options->sandbox = confinement.sandbox;
  if (!confinement.sandbox) return;
  options->kept = confinement.kept;
  if (staging_.has_value()) options->kept.push_back(StrCat("w", staging_->directory()));
  if (assignment_.wd().empty()) options->kept.push_back(StrCat("w", options->directory));
}

absl::StatusOr<std::vector<std::string>> Attempt::Environment(const Account& account) {
  EnvironmentOptions options{.base = BaseEnvironment(account),
                             .host = context_->environment,
                             .added = {assignment_.env().begin(), assignment_.env().end()},
                             .coordinator = context_->coordinator};
  if (!assignment_.secrets_from().empty()) {
    auto secrets = ReadSecrets(assignment_.secrets_from());
    if (!secrets.ok()) return secrets.status();
    options.secrets = *std::move(secrets);
  }
  for (const auto* told : {&options.added, &options.secrets}) {
    absl::Status good = CheckVariables(*told);
    if (!good.ok()) return good;
  }
  auto ours = ReadEnvironmentFiles(context_->confinement.environment_files);
  if (!ours.ok()) return ours.status();
  options.host.merge(*ours);
  return BuildEnvironment(options, facts_);
}

// Those that the coordinator has a say in.
absl::Status Attempt::CheckVariables(const std::map<std::string, std::string>& variables) {
  if (context_->confinement.allowed.everything()) return absl::OkStatus();
  for (const auto& [name, value] : variables) {
    if (!NamesCode(name)) continue;
    return Refuse(StrCat("env: `", Display(name), "` makes programs run what it names, and so, on ",
                         "an executor with allow_commands, can only be in that one's own `env`"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Attempt::WorkingDirectory(const std::optional<Account>& run_as) {
  const std::string& wd = assignment_.wd();
  struct stat st = {};
  if (!wd.empty()) {
    if (stat(wd.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return wd;
    return absl::NotFoundError(StrCat("wd: `", Display(wd), "` is no directory on this host",
                                      "; make it here, or run where it is by a label"));
  }
  auto scratch = context_->journal->MakeScratch(assignment_.lease());
  if (scratch.ok() && run_as.has_value() &&
      chown(scratch->c_str(), run_as->uid, run_as->gid) != 0) {
    return ErrnoStatus(errno, "give to the user of run_as", *scratch);
  }
  return scratch;
}

absl::Status Attempt::CheckOpenFiles() const {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto wanted = static_cast<rlim_t>(assignment_.nofile());
  if (wanted <= limit.rlim_max || geteuid() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("limits.nofile: ", wanted, " is more than the ", limit.rlim_max,
             " that this executor may have; raise its own limit (LimitNOFILE of its unit)"));
}

}  // namespace closewrite::executor
