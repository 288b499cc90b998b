#include "services/executor/executor.h"

#include <set>
#include <utility>

#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/executor/confinement.h"
#include "services/executor/executor_metrics.h"
#include "services/executor/hello.h"
#include "services/executor/local_volumes.h"
#include "services/executor/placeholders.h"
#include "services/executor/supervisor_image.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/tls_expiry.h"
#include "services/volume/path.h"

namespace closewrite::executor {
namespace {

constexpr absl::Duration kCallGrace = absl::Seconds(1);

absl::Status Missing(std::string_view field, std::string_view example) {
  return absl::InvalidArgumentError(
      StrCat(field, ": is missing; write for example `", field, ": ", example, "`"));
}

absl::Status CheckLabels(const v1::ExecutorConfig& config) {
  if (config.labels_size() > kLabelsMax) {
    return absl::InvalidArgumentError(StrCat("labels: there are ", config.labels_size(),
                                             "; at most ", kLabelsMax, " are allowed"));
  }
  std::set<std::string> seen;
  for (const std::string& label : config.labels()) {
    absl::Status good = CheckName("label", label);
    if (!good.ok()) return good;
    if (!seen.insert(label).second) {
      return absl::InvalidArgumentError(StrCat("labels: ", label, " is there twice; remove one"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckVolumeEntries(const v1::ExecutorConfig& config) {
  if (config.volumes_size() > kVolumesMax) {
    return absl::InvalidArgumentError(StrCat("volumes: more than ", kVolumesMax));
  }
  for (const auto& [name, mount] : config.volumes()) {
    absl::Status good = CheckName("volume", name);
    if (!good.ok()) return good;
    if (mount.path().empty() || mount.path().front() != '/') {
      return absl::InvalidArgumentError(
          StrCat("volumes: ", name, ": path must be absolute, such as `{path: /mnt/", name, "}`"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckEnvironment(const v1::ExecutorConfig& config) {
  for (const auto& [name, value] : config.env()) {
    if (absl::Status s = CheckHostVariable("env", name); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// What a stop and a drain mean.
absl::Status CompleteStop(v1::ExecutorConfig* config) {
  const bool outlive = config->commands_outlive();
  if (config->on_stop() == v1::ON_STOP_LEAVE && !outlive) {
    return absl::InvalidArgumentError(
        "on_stop: leave needs commands that outlive their executor; remove `commands_outlive: "
        "false`, or write `on_stop: drain`");
  }
  const bool none =
      config->has_drain_timeout() && FromProto(config->drain_timeout()) == absl::ZeroDuration();
  if (config->on_stop() == v1::ON_STOP_UNSPECIFIED) {
    config->set_on_stop(none && outlive ? v1::ON_STOP_LEAVE : v1::ON_STOP_DRAIN);
    if (none && outlive) config->clear_drain_timeout();
  }
  if (!config->has_drain_timeout()) {
    *config->mutable_drain_timeout() = ToProto(kDrainTimeoutDefault);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CompleteConfig(v1::ExecutorConfig* config) {
  if (config->host().empty()) return Missing("host", "vm-c");
  if (config->name().empty()) config->set_name(config->host());
  if (config->listen().empty()) return Missing("listen", "0.0.0.0:7402");
  if (config->coordinator().empty()) return Missing("coordinator", "vm-a:7400");
  if (config->state().empty()) return Missing("state", "/var/lib/closewrite/executor");
  if (config->state().front() != '/') {
    return absl::InvalidArgumentError(
        StrCat("state: ", Display(config->state()), " is not an absolute path; start it with '/'"));
  }
  if (config->slots() == 0) config->set_slots(1);
  if (config->slots() < 1 || config->slots() > kSlotsMax) {
    return absl::InvalidArgumentError(StrCat(
        "slots: ", config->slots(), " is out of range; write a number from 1 to ", kSlotsMax));
  }
  if (!config->has_commands_outlive()) config->set_commands_outlive(true);
  absl::Status good = CompleteStop(config);
  if (!good.ok()) return good;
  for (const auto& [what, name] : {std::pair{"host", config->host()}, {"name", config->name()}}) {
    good = CheckName(what, name);
    if (!good.ok()) return good;
  }
  good = CheckLabels(*config);
  if (good.ok()) good = CheckEnvironment(*config);
  if (good.ok()) good = CompleteConfinement(config);
  if (good.ok()) good = CheckVolumeEntries(*config);
  return good;
}

absl::StatusOr<std::unique_ptr<Executor>> Executor::Start(v1::ExecutorConfig config, bool guarded,
                                                          std::function<void()> on_drain) {
  absl::Status status = CompleteConfig(&config);
  if (!status.ok()) return status;
  auto executor = std::unique_ptr<Executor>(new Executor(std::move(config), std::move(on_drain)));
  status = executor->Open(guarded);
  if (!status.ok()) return status;
  executor->link_->Start();
  return executor;
}

absl::Status Executor::Open(bool guarded) {
  LocalVolumes volumes = VolumesOf(config_);
  absl::Status status = CheckStateOutside(config_.state(), volumes);
  if (status.ok()) status = CheckVolumes(&volumes);
  if (!status.ok()) return status;
  auto tls = Tls::OfConfig(config_, Role::kExecutor, config_.host());
  if (!tls.ok()) return tls.status();
  tls_ = *std::move(tls);
  auto journal = Journal::Open(config_.state(), kLockMax);
  if (!journal.ok()) return journal.status();
  journal_ = std::make_unique<Journal>(*std::move(journal));
  auto image = OpenSupervisorImage();
  if (!image.ok()) return image.status();
  supervisor_image_ = *std::move(image);
  auto confinement = ConfinementOf(config_, volumes, supervisor_image_.get());
  if (!confinement.ok()) return confinement.status();
  if (guarded) StartGuardian();

  probe_ = std::make_unique<MountProbe>(volumes, config_.name());
  service_ = std::make_unique<ExecuteService>([this] { return Describe(); });
  AttemptTable::Options options;
  options.slots = config_.slots();
  options.context.volumes = volumes;
  options.context.journal = journal_.get();
  options.context.supervisor_image = supervisor_image_.get();
  options.context.groups = ControlGroups::Find(config_.state());
  options.context.commands_outlive = config_.commands_outlive();
  if (confinement->run_as.has_value()) options.context.account = *confinement->run_as;
  options.context.confinement = *std::move(confinement);
  options.context.coordinator = config_.coordinator();
  options.context.host = config_.host();
  options.context.look = [this](const std::string& volume) { return probe_->Look(volume); };
  options.context.environment = {config_.env().begin(), config_.env().end()};
  options.context.meters = &meters_;
  options.wake = [this] {
    link_bell_.Ring();
    drain_bell_.Ring();
  };
  table_ = std::make_unique<AttemptTable>(std::move(options));
  // The hello wants the port, and the service describes the link: so the link is made in between,
  // and started last of all.
  channel_ =
      std::make_unique<CoordinatorChannel>(config_.coordinator(), ChannelCredentialsOf(tls_.get()));
  link_ = std::make_unique<CoordinatorLink>(
      CoordinatorLink::Options{.channel = channel_.get(),
                               .tls = tls_.get(),
                               .hello = HelloOf(config_),
                               .journal = journal_.get(),
                               .table = table_.get(),
                               .bell = &link_bell_,
                               .on_drain = on_drain_,
                               .volumes = [this] { return probe_->Volumes(); }});
  auto server = Server::Start({.listen = config_.listen(),
                               .reflection = !config_.has_reflection() || config_.reflection(),
                               .credentials = tls_ == nullptr ? nullptr : tls_->ForServer(&gate_),
                               .services = {service_.get()}});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  if (status = ServeMetrics(); !status.ok()) return status;
  LogInfo("executor", {{"name", config_.name()},
                       {"port", server_->port()},
                       {"slots", config_.slots()},
                       {"coordinator", config_.coordinator()}});
  return absl::OkStatus();
}

absl::Status Executor::ServeMetrics() {
  if (config_.metrics().empty()) return absl::OkStatus();
  auto metrics = MetricsServer::Start(config_.metrics(), "executor", [this] {
    const ExecutorNumbers numbers{.slots = config_.slots(),
                                  .link = link_->numbers(),
                                  .table = table_->numbers(),
                                  .volumes = probe_->Volumes()};
    std::vector<Metric> metrics = ExecutorMetrics(numbers, meters_, SinceBoot(), WallTime());
    AddCertificateMetric("closewrite_executor_", tls_.get(), &metrics);
    return metrics;
  });
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  return absl::OkStatus();
}

Executor::~Executor() {
  if (link_ != nullptr) link_->Shutdown();
  if (server_ != nullptr) server_->Shutdown(kCallGrace);
}

void Executor::StartGuardian() {
  auto guardian = GuardianProcess::Start(config_);
  if (guardian.ok()) {
    guardian_ = *std::move(guardian);
  } else {
    LogWarn("no guardian: should this executor be killed, its leases wait for their session's end",
            {{"error", guardian.status().message()}});
  }
}

v1::DescribeExecutorResponse Executor::Describe() const {
  v1::DescribeExecutorResponse response;
  response.set_name(config_.name());
  response.set_host(config_.host());
  response.set_session_id(link_->session_id());
  response.set_connected(link_->connected());
  response.set_draining(link_->draining());
  response.set_slots(config_.slots());
  for (v1::LocalAttempt& attempt : table_->Describe()) {
    *response.add_attempts() = std::move(attempt);
  }
  return response;
}

bool Executor::WaitForCommands(absl::Duration within) {
  const absl::Duration deadline = SinceBoot() + within;
  while (table_->running() > 0 && drain_ != DrainState::kLeaving) {
    const absl::Duration now = SinceBoot();
    if (now >= deadline) return false;
    drain_bell_.Wait(deadline - now);
  }
  return table_->running() == 0;
}

bool Executor::Drain() {
  link_->Drain();
  server_->Drain();
  if (config_.on_stop() == v1::ON_STOP_LEAVE && !link_->told_to_drain()) {
    BecomeDrainState(DrainState::kLeaving);
  }
  table_->Drain();
  LogInfo("draining", {{"running", table_->running()}});
  if (!WaitForCommands(FromProto(config_.drain_timeout())) &&
      BecomeDrainState(DrainState::kEnding)) {
    LogWarn("commands still run at the end of drain_timeout; they are told to end",
            {{"running", table_->running()}});
    table_->TerminateAll("the executor was stopped before the command ended");
    if (!WaitForCommands(kTerminateMax)) KillAll();
    WaitForCommands(kTerminateMax);
  }
  WaitForResults();
  link_->AwaitDrained(kFarewellMax);
  link_->Shutdown();
  server_->Shutdown(kCallGrace);
  if (drain_ == DrainState::kLeaving && table_->running() > 0) {
    LogInfo("commands go on until their leases end, or with the next executor on this state",
            {{"running", table_->running()}, {"state", config_.state()}});
    return false;
  }
  if (guardian_ != nullptr) guardian_->Dismiss();
  return true;
}

void Executor::WaitForResults() {
  const absl::Duration deadline = SinceBoot() + kSettleMax;
  while (table_->unsettled() > 0 && SinceBoot() < deadline) {
    drain_bell_.Wait(deadline - SinceBoot());
  }
  if (table_->unsettled() > 0) {
    LogWarn("results are not recorded yet; they are reported at the next start",
            {{"results", table_->unsettled()}});
  }
}

void Executor::Hurry() {
  if (config_.on_stop() != v1::ON_STOP_LEAVE) return KillAll();
  if (BecomeDrainState(DrainState::kLeaving)) {
    drain_bell_.Ring();
  } else if (drain_ == DrainState::kEnding) {
    KillAll();
  }
}

bool Executor::BecomeDrainState(DrainState state) {
  DrainState waiting = DrainState::kWaiting;
  return drain_.compare_exchange_strong(waiting, state);
}

void Executor::KillAll() { table_->KillAll("the executor was told to stop at once"); }

}  // namespace closewrite::executor
