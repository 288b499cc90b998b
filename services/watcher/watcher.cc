#include "services/watcher/watcher.h"

#include <utility>

#include "services/config/duration.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/tls_expiry.h"
#include "services/version/version.h"
#include "services/volume/ignore_list.h"
#include "services/watcher/file_look.h"
#include "services/watcher/watcher_config.h"
#include "services/watcher/watcher_metrics.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(2);

// Where others find what is served on `listen`: an address that means all interfaces is of no use
// to them.
std::string PublicAddress(const std::string& listen, const std::string& host, int port) {
  std::string address = listen.substr(0, listen.rfind(':'));
  const bool any = address.empty() || address == "0.0.0.0" || address == "[::]" || address == "*";
  return StrCat(any ? host : address, ":", port);
}

}  // namespace

Watcher::~Watcher() { Shutdown(); }

absl::Status Watcher::Start(v1::WatcherConfig config) {
  config_ = std::move(config);
  SetDefaults(&config_);
  if (absl::Status valid = CheckConfig(config_); !valid.ok()) return valid;
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(config_.state());
  if (!ledger.ok()) return ledger.status();
  ledger_ = *std::move(ledger);
  if (absl::Status made = MakeEngines(); !made.ok()) return made;
  MakePublisher();
  if (absl::Status served = Serve(); !served.ok()) return served;
  MakeLink();
  for (const auto& [name, engine] : engines_) {
    absl::Status prepared = engine->Prepare();
    if (prepared.ok()) prepared = CheckTarget(name);
    if (prepared.ok()) continue;
    server_->Shutdown(absl::ZeroDuration());
    return prepared;
  }
  ledger_->SetListener([this] {
    link_->Wake();
    service_->Wake();
  });
  if (absl::Status metered = ServeMetrics(); !metered.ok()) {
    server_->Shutdown(absl::ZeroDuration());
    return metered;
  }
  for (const auto& [name, engine] : engines_) engine->Start();
  mounts_ = std::make_unique<MountWatch>([this] {
    for (const auto& [name, engine] : engines_) engine->MountsChanged();
  });
  if (const absl::Status watched = mounts_->Start(); !watched.ok()) {
    LogWarn("mounts are not watched", {{"error", watched.message()}});
  }
  publisher_->Start();
  uploads_->Start();
  link_->Start();
  service_->Open();
  LogInfo("watching", {{"host", config_.host()},
                       {"volumes", engines_.size()},
                       {"port", server_->port()},
                       {"unacknowledged_after", ledger_->acknowledged()},
                       {"newest", ledger_->sequence()}});
  return absl::OkStatus();
}

absl::Status Watcher::MakeEngines() {
  std::vector<std::string> names;
  for (const auto& [name, volume] : config_.volumes()) {
    names.push_back(name);
    absl::StatusOr<IgnoreList> ignore =
        IgnoreList::Parse({volume.ignore().begin(), volume.ignore().end()});
    if (!ignore.ok()) return ignore.status();
    VolumeEngine::Options options;
    options.name = name;
    options.path = volume.path();
    options.read_only = volume.read_only();
    options.backend = static_cast<BackendKind>(volume.backend());
    if (volume.has_poll()) options.poll = closewrite::FromProto(volume.poll());
    if (volume.poll_unchanged() != 0) options.poll_unchanged = volume.poll_unchanged();
    if (volume.has_audit()) options.audit = closewrite::FromProto(volume.audit());
    options.nfs_exported = volume.nfs_exported();
    options.writer_check = !volume.has_writer_check() || volume.writer_check();
    options.ignore = *std::move(ignore);
    options.ledger = ledger_.get();
    options.clock = clock_;
    options.on_state = [this] { link_->HeartbeatSoon(); };
    engines_[name] = std::make_unique<VolumeEngine>(std::move(options));
  }
  return ledger_->ForgetPendingExcept(names);
}

void Watcher::MakePublisher() {
  Publisher::Options options;
  options.ledger = ledger_.get();
  options.clock = clock_;
  for (const auto& [name, volume] : config_.volumes()) {
    if (!volume.read_only()) options.volumes.push_back(name);
  }
  options.open_root = [this](const std::string& volume) { return OpenTarget(volume); };
  options.on_news = [this] { link_->Wake(); };
  publisher_ = std::make_unique<Publisher>(std::move(options));
  uploads_ = std::make_unique<UploadPlacer>(UploadPlacer::Options{
      .open_root = [this](const std::string& volume) { return OpenTarget(volume); },
      .on_news = [this] { link_->Wake(); }});
}

absl::Status Watcher::Serve() {
  WatchService::Options options;
  options.host = config_.host();
  for (const auto& [name, engine] : engines_) options.engines.push_back(engine.get());
  options.ledger = ledger_.get();
  options.clock = clock_;
  options.connected = [this] { return link_->connected(); };
  service_ = std::make_unique<WatchService>(std::move(options));
  absl::StatusOr<std::unique_ptr<Tls>> tls = Tls::OfConfig(config_, Role::kWatcher, config_.host());
  if (!tls.ok()) return tls.status();
  tls_ = *std::move(tls);
  Server::Options serving;
  serving.listen = config_.listen();
  if (tls_ != nullptr) serving.credentials = tls_->ForServer(&gate_);
  serving.reflection = !config_.has_reflection() || config_.reflection();
  serving.services = {service_.get()};
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(serving));
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status Watcher::ServeMetrics() {
  if (config_.metrics().empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsServer>> metrics =
      MetricsServer::Start(config_.metrics(), "watcher", [this] {
        // Numbers of a ledger that can't be read are zero; the volumes say that it can't.
        std::vector<Metric> metrics =
            WatcherMetrics({.volumes = Reports(),
                            .ledger = ledger_->Numbers().value_or(LedgerNumbers()),
                            .published = publisher_->Numbers(),
                            .connected = link_->connected()},
                           clock_->Now());
        AddCertificateMetric("closewrite_watcher_", tls_.get(), &metrics);
        return metrics;
      });
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  return absl::OkStatus();
}

void Watcher::MakeLink() {
  CoordinatorLink::Options options;
  options.host = config_.host();
  options.version = std::string(kVersion);
  options.address = PublicAddress(config_.listen(), config_.host(), server_->port());
  channel_ =
      std::make_unique<CoordinatorChannel>(config_.coordinator(), ChannelCredentialsOf(tls_.get()));
  options.channel = channel_.get();
  options.tls = tls_.get();
  options.ledger = ledger_.get();
  options.publisher = publisher_.get();
  options.uploads = uploads_.get();
  options.clock = clock_;
  options.report = [this] { return Reports(); };
  options.on_interests = [this](const std::vector<VolumeInterest>& interests) {
    std::map<std::string, VolumeInterest> wanted;
    for (const VolumeInterest& interest : interests) wanted[interest.volume] = interest;
    for (const auto& [name, engine] : engines_) {
      engine->SetInterest(wanted[name].create, wanted[name].quiet);
    }
  };
  options.flush = [this](const std::string& volume, FlushRelay::Done done) {
    const auto engine = engines_.find(volume);
    if (engine != engines_.end()) return engine->second->Flush(std::move(done));
    done(absl::NotFoundError(StrCat("host ", config_.host(), " is not the home of ", volume)));
  };
  options.look = [this](const v1::LookRequest& request) { return LookAt(request); };
  link_ = std::make_unique<CoordinatorLink>(std::move(options));
}

v1::FileLook Watcher::LookAt(const v1::LookRequest& request) const {
  const v1::VolumePath& file = request.file();
  v1::FileLook unknown;
  unknown.set_finding(v1::FILE_FINDING_UNKNOWN);
  const auto engine = engines_.find(file.volume());
  if (engine == engines_.end()) {
    unknown.set_message(StrCat("host ", config_.host(), " is not the home of its volume"));
    return unknown;
  }
  const absl::StatusOr<VolumeRoot> root = engine->second->OpenRoot();
  const google::protobuf::RepeatedPtrField<std::string>& globs =
      config_.volumes().at(file.volume()).ignore();
  const absl::StatusOr<IgnoreList> ignore = IgnoreList::Parse({globs.begin(), globs.end()});
  if (root.ok() && ignore.ok()) {
    v1::FileLook look = LookAtFile(root->fd(), *ignore, file.path());
    if (request.content_bytes_max() > 0) {
      AddContent(root->fd(), file.path(), request.content_bytes_max(), &look);
    }
    return look;
  }
  unknown.set_message(std::string((root.ok() ? ignore.status() : root.status()).message()));
  return unknown;
}

// Results are renamed out of the staging directory, which can't be done from another file system.
absl::Status Watcher::CheckTarget(const std::string& volume) const {
  if (config_.volumes().at(volume).read_only()) return absl::OkStatus();
  const absl::StatusOr<VolumeRoot> root = OpenTarget(volume);
  // Not there at the moment: it may come back, and every order is checked again.
  if (!root.ok()) return absl::OkStatus();
  const absl::Status usable = CheckStaging(root->fd());
  if (usable.ok()) return usable;
  return absl::Status(usable.code(), StrCat("volumes.", volume, ": ", usable.message()));
}

absl::StatusOr<VolumeRoot> Watcher::OpenTarget(const std::string& volume) const {
  const auto engine = engines_.find(volume);
  if (engine == engines_.end()) {
    return absl::FailedPreconditionError(
        StrCat("host ", config_.host(), " is not the home of volume ", volume));
  }
  if (config_.volumes().at(volume).read_only()) {
    return absl::FailedPreconditionError(
        StrCat("volume ", volume, " is read_only on its home ", config_.host()));
  }
  return engine->second->OpenRoot();
}

std::vector<VolumeReport> Watcher::Reports() const {
  std::vector<VolumeReport> reports;
  for (const auto& [name, engine] : engines_) {
    const auto& globs = config_.volumes().at(name).ignore();
    reports.push_back(engine->Report());
    reports.back().ignore = {globs.begin(), globs.end()};
  }
  return reports;
}

void Watcher::Shutdown() {
  if (server_ == nullptr) return;
  metrics_.reset();
  server_->Drain();
  service_->Shutdown();
  if (mounts_ != nullptr) mounts_->Shutdown();
  for (const auto& [name, engine] : engines_) engine->Shutdown();
  publisher_->Shutdown();
  uploads_->Shutdown();
  if (link_ != nullptr) link_->Shutdown();
  server_->Shutdown(kShutdownGrace);
}

}  // namespace closewrite::watcher
