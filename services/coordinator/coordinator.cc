#include "services/coordinator/coordinator.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "services/config/config.h"
#include "services/config/url.h"
#include "services/config/uuid.h"
#include "services/coordinator/alerts/alert_metrics.h"
#include "services/coordinator/alerts/alert_options.h"
#include "services/coordinator/alerts/alert_watch.h"
#include "services/coordinator/alerts/outbox_sender.h"
#include "services/coordinator/api/alert_service.h"
#include "services/coordinator/api/api_options.h"
#include "services/coordinator/api/audit_service.h"
#include "services/coordinator/api/event_service.h"
#include "services/coordinator/api/fleet_service.h"
#include "services/coordinator/api/job_counter.h"
#include "services/coordinator/api/job_service.h"
#include "services/coordinator/api/lock_service.h"
#include "services/coordinator/api/monitor_service.h"
#include "services/coordinator/api/pipeline_codec.h"
#include "services/coordinator/api/pipeline_service.h"
#include "services/coordinator/api/scaler_service.h"
#include "services/coordinator/api/store_service.h"
#include "services/coordinator/api/task_codec.h"
#include "services/coordinator/api/task_service.h"
#include "services/coordinator/api/upload_service.h"
#include "services/coordinator/attend_service.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/front_door.h"
#include "services/coordinator/health_board.h"
#include "services/coordinator/influx/influx_metrics.h"
#include "services/coordinator/influx/influx_options.h"
#include "services/coordinator/influx/influx_writer.h"
#include "services/coordinator/log_limits.h"
#include "services/coordinator/metrics/commit_meters.h"
#include "services/coordinator/metrics/coordinator_metrics.h"
#include "services/coordinator/observe_service.h"
#include "services/coordinator/store/postgres_store.h"
#include "services/coordinator/store/sqlite_backup.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store_loop.h"
#include "services/coordinator/watcher_board.h"
#include "services/log/log.h"
#include "services/metrics/metrics_server.h"
#include "services/transport/server.h"

namespace closewrite {
namespace {

constexpr absl::Duration kSessionTtlDefault = absl::Seconds(10);
constexpr absl::Duration kSessionTtlMin = absl::Seconds(1);
constexpr absl::Duration kSessionTtlMax = absl::Minutes(10);
constexpr absl::Duration kRetentionDefault = absl::Hours(30 * 24);
constexpr absl::Duration kRetentionMin = absl::Hours(1);
constexpr absl::Duration kAuditRetentionDefault = absl::Hours(365 * 24);
constexpr absl::Duration kAuditRetentionMin = absl::Hours(24);
constexpr absl::Duration kShutdownGrace = absl::Seconds(2);

// 128 random bits in hexadecimal digits.
std::string NewId() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random),
                         absl::Uniform<uint64_t>(random));
}

double RandomFraction() {
  static thread_local absl::BitGen random;
  return absl::Uniform(random, 0.0, 1.0);
}

absl::StatusOr<absl::Duration> SessionTtl(const v1::CoordinatorConfig& config) {
  if (!config.has_session_ttl()) return kSessionTtlDefault;
  const absl::Duration ttl = FromProto(config.session_ttl());
  if (ttl < kSessionTtlMin || ttl > kSessionTtlMax) {
    return absl::InvalidArgumentError("session_ttl: must be 1s to 10m");
  }
  return ttl;
}

absl::StatusOr<absl::Duration> Retention(const v1::CoordinatorConfig& config) {
  if (!config.has_retention()) return kRetentionDefault;
  const absl::Duration retention = FromProto(config.retention());
  if (retention < kRetentionMin) {
    return absl::InvalidArgumentError("retention: must be 1h or more");
  }
  return retention;
}

absl::StatusOr<absl::Duration> AuditRetention(const v1::CoordinatorConfig& config) {
  if (!config.has_audit_retention()) return kAuditRetentionDefault;
  const absl::Duration retention = FromProto(config.audit_retention());
  if (retention < kAuditRetentionMin) {
    return absl::InvalidArgumentError("audit_retention: must be 1d or more");
  }
  return retention;
}

constexpr absl::string_view kSqlite = "sqlite:";

// "" for a store that is not SQLite's.
std::string SqlitePath(const std::string& where) {
  return absl::StartsWith(where, kSqlite) ? std::string(absl::StripPrefix(where, kSqlite)) : "";
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqlite(const std::string& path) {
  if (!absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", path, "\" is not absolute; say `sqlite:/path/to/file.db`"));
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
  if (!store.ok()) return store.status();
  return *std::move(store);
}

absl::StatusOr<std::unique_ptr<Store>> OpenPostgres(const std::string& url,
                                                    const CoordinatorId& self) {
  absl::StatusOr<std::unique_ptr<PostgresStore>> store = PostgresStore::Open(url, self);
  if (!store.ok()) return store.status();
  return *std::move(store);
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& where,
                                                 const CoordinatorId& self) {
  absl::StatusOr<std::unique_ptr<Store>> store = absl::InvalidArgumentError(
      absl::StrCat(where.empty() ? "is missing" : absl::StrCat("\"", where, "\" is not supported"),
                   "; say `sqlite:/path/to/file.db`, or `postgresql://user@host/database`"));
  if (absl::StartsWith(where, kSqlite)) {
    store = OpenSqlite(SqlitePath(where));
  } else if (absl::StartsWith(where, "postgresql://") || absl::StartsWith(where, "postgres://")) {
    store = OpenPostgres(where, self);
  }
  if (store.ok()) return store;
  return absl::Status(store.status().code(), absl::StrCat("store: ", store.status().message()));
}

}  // namespace

// In order of construction; each uses those above it.
struct Coordinator::Parts {
  Parts(std::unique_ptr<Store> opened, const CoordinatorId& self, const Clock* clock,
        absl::Duration session_ttl, absl::Duration retention, absl::Duration audit_retention,
        const LogLimits& log_limits, const std::optional<InfluxOptions>& influx,
        const AlertOptions& alert_options, const std::string& sqlite_path,
        std::unique_ptr<FrontDoor> front_door)
      : store(std::move(opened)),
        door(std::move(front_door)),
        engine({.self = self,
                .shared = store->shared(),
                .session_ttl = session_ttl,
                .retention = retention,
                .audit_retention = audit_retention,
                .logs = log_limits,
                .points = influx.has_value() ? std::make_optional(influx->tags) : std::nullopt,
                .random = RandomFraction,
                .new_session_id = NewId,
                .decode_pipeline = DecodeStoredPipeline,
                .decode_task = DecodeStoredTask}),
        loop(store.get(), &engine, &feed, clock),
        api({.loop = &loop, .feed = &feed, .callers = door->callers(), .tls = door->tls()}),
        attend(&loop, &feed, &executor_health, door->callers()),
        observe(&loop, &feed, &watchers, &watcher_health, door->callers()),
        jobs(api, &watchers),
        pipelines(api, &watcher_health, alert_options.routes()),
        tasks(api, alert_options.routes()),
        events(api, &watchers),
        counter(this->store.get()),
        fleet(api, &counter, &executor_health, &watcher_health),
        scaler(api, &counter),
        audit(api),
        stores(api, sqlite_path),
        monitor(api, NewUuid),
        locks(api),
        alerts(api, alert_options.routes(), NewUuid),
        uploads(api, &watchers, alert_options.mail.has_value()),
        alert_watch(alert_options, &loop, NewUuid),
        outbox(alert_options, &loop, &watchers) {
    if (influx.has_value()) points = std::make_unique<InfluxWriter>(*influx, &loop);
  }

  std::unique_ptr<Store> store;
  std::unique_ptr<FrontDoor> door;
  Engine engine;
  ChangeFeed feed;
  CommitMeters commits;  // outlives the loop, which tells it
  StoreLoop loop;
  WatcherBoard watchers;
  HealthBoard executor_health;
  HealthBoard watcher_health;
  const ApiOptions api;
  AttendService attend;
  ObserveService observe;
  JobService jobs;
  PipelineService pipelines;
  TaskService tasks;
  EventService events;
  JobCounter counter;
  FleetService fleet;
  ScalerService scaler;
  AuditService audit;
  StoreService stores;
  MonitorService monitor;
  LockService locks;
  AlertService alerts;
  UploadService uploads;
  AlertWatch alert_watch;
  OutboxSender outbox;
  std::unique_ptr<InfluxWriter> points;
  std::unique_ptr<CoordinatorMetrics> numbers;  // only when they are served
  std::unique_ptr<Server> server;
  std::unique_ptr<MetricsServer> metrics;
};

void Coordinator::CountCommits(const v1::CoordinatorConfig& config, Parts* parts) {
  if (config.metrics().empty()) return;
  parts->loop.SetOnCommit(
      [parts](const StoreLoop::CommitReport& report) { parts->commits.Take(report); });
  parts->numbers =
      std::make_unique<CoordinatorMetrics>(&parts->loop, &parts->feed, &parts->commits);
}

absl::Status Coordinator::ServeMetrics(const v1::CoordinatorConfig& config, Parts* parts) {
  if (config.metrics().empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsServer>> metrics =
      MetricsServer::Start(config.metrics(), "coordinator", [parts] {
        CoordinatorMetrics::Collected collected = parts->numbers->Collect();
        std::vector<Metric> metrics = std::move(collected.metrics);
        for (Metric& each : AlertMetrics(parts->outbox.numbers(), *parts->store)) {
          metrics.push_back(std::move(each));
        }
        for (Metric& each : parts->door->Metrics()) metrics.push_back(std::move(each));
        if (parts->points == nullptr || !collected.points.has_value()) return metrics;
        for (Metric& each : InfluxMetrics(parts->points->numbers(), *collected.points)) {
          metrics.push_back(std::move(each));
        }
        return metrics;
      });
  if (!metrics.ok()) return metrics.status();
  parts->metrics = *std::move(metrics);
  return absl::OkStatus();
}

Coordinator::Coordinator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Coordinator::~Coordinator() { Shutdown(); }

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(const v1::CoordinatorConfig& config,
                                                                const Clock* clock) {
  if (config.listen().empty()) {
    return absl::InvalidArgumentError("listen: is missing; say `listen: 0.0.0.0:7400`");
  }
  absl::StatusOr<absl::Duration> session_ttl = SessionTtl(config);
  if (!session_ttl.ok()) return session_ttl.status();
  absl::StatusOr<absl::Duration> retention = Retention(config);
  if (!retention.ok()) return retention.status();
  absl::StatusOr<absl::Duration> audit_retention = AuditRetention(config);
  if (!audit_retention.ok()) return audit_retention.status();
  absl::StatusOr<LogLimits> log_limits = LogLimitsFrom(config.logs());
  if (!log_limits.ok()) return log_limits.status();
  const absl::StatusOr<std::optional<InfluxOptions>> influx =
      InfluxOptionsFrom(config, [](const std::string& name) {
        const char* value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "" : value);
      });
  if (!influx.ok()) return influx.status();
  absl::StatusOr<AlertOptions> alerts = AlertOptionsFrom(config);
  if (!alerts.ok()) return alerts.status();
  alerts->retention = *retention;
  absl::StatusOr<std::unique_ptr<FrontDoor>> door = FrontDoor::Make(config, clock);
  if (!door.ok()) return door.status();
  const CoordinatorId self = NewId();
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(config.store(), self);
  if (!store.ok()) return store.status();

  auto parts = std::make_unique<Parts>(*std::move(store), self, clock, *session_ttl, *retention,
                                       *audit_retention, *log_limits, *influx, *alerts,
                                       SqlitePath(config.store()), *std::move(door));
  CountCommits(config, parts.get());
  if (absl::Status s = parts->loop.Start(); !s.ok()) return s;
  if (absl::Status s = ServeMetrics(config, parts.get()); !s.ok()) return s;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(
      {.listen = config.listen(),
       .reflection = !config.has_reflection() || config.reflection(),
       .credentials = parts->door->credentials(),
       .services = {&parts->attend, &parts->observe, &parts->jobs, &parts->pipelines, &parts->tasks,
                    &parts->events, &parts->fleet, &parts->scaler, &parts->audit, &parts->stores,
                    &parts->monitor, &parts->locks, &parts->alerts, &parts->uploads}});
  if (!server.ok()) return server.status();
  parts->server = *std::move(server);
  parts->alert_watch.Start();
  parts->outbox.Start();
  parts->uploads.Start();
  if (parts->points != nullptr) {
    parts->points->Start();
    LogInfo("points go to InfluxDB", {{"url", (*influx)->shown}});
  }
  LogInfo("serving", {{"listen", config.listen()},
                      {"port", parts->server->port()},
                      {"store", WithoutPassword(config.store())},
                      {"coordinator", self},
                      {"durability", parts->store->Durability()}});
  return std::unique_ptr<Coordinator>(new Coordinator(std::move(parts)));
}

int Coordinator::port() const { return parts_->server->port(); }

void Coordinator::Shutdown() {
  if (parts_->metrics != nullptr) parts_->metrics->Shutdown();
  parts_->server->Drain();
  // The calls that the server waits for wait for commits.
  parts_->loop.EndSoon();
  if (parts_->points != nullptr) parts_->points->Shutdown();
  parts_->alert_watch.Shutdown();
  parts_->uploads.Shutdown();
  parts_->watchers.Shutdown();  // the outbox may wait for one of them
  parts_->outbox.Shutdown();
  parts_->attend.Shutdown();
  parts_->observe.Shutdown();
  parts_->jobs.Shutdown();
  parts_->events.Shutdown();
  parts_->scaler.Shutdown();
  parts_->stores.Shutdown();
  parts_->monitor.Shutdown();
  parts_->locks.Shutdown();
  parts_->server->Shutdown(kShutdownGrace);
  parts_->loop.Shutdown();
}

absl::Status BackUpStore(const v1::CoordinatorConfig& config, const std::string& copy,
                         absl::FunctionRef<bool()> go_on) {
  if (!absl::StartsWith(config.store(), kSqlite)) {
    return absl::InvalidArgumentError(
        "store: only one of SQLite is backed up by this program; use pg_dump for one of "
        "PostgreSQL");
  }
  return CopySqliteStore(SqlitePath(config.store()), copy, go_on);
}

}  // namespace closewrite
