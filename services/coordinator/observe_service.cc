#include "services/coordinator/observe_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/interest.h"
#include "services/coordinator/core/upload.h"
#include "services/coordinator/host_identity.h"
#include "services/log/log.h"
#include "services/volume/path.h"

namespace closewrite {
namespace {

constexpr int kPublishedPerMessageMax = 512;
constexpr int kStagingPerMessageMax = 1024;
constexpr size_t kLedgerIdBytes = 16;
constexpr int kVolumesPerWatcherMax = 1024;
constexpr size_t kTextBytesMax = 1024;

v1::ObserveResponse ToProto(int64_t id, const WatcherQuestion& question) {
  v1::ObserveResponse response;
  if (question.upload.has_value()) {
    *response.add_uploads() = *question.upload;
    response.mutable_uploads(0)->set_id(id);
    return response;
  }
  if (!question.look_at.has_value()) {
    response.add_flushes()->set_id(id);
    response.mutable_flushes(0)->set_volume(question.volume);
    return response;
  }
  v1::LookRequest* const look = response.add_looks();
  look->set_id(id);
  look->mutable_file()->set_volume(question.volume);
  look->mutable_file()->set_path(*question.look_at);
  look->set_content_bytes_max(question.content_bytes_max);
  return response;
}

WatcherBoard::Answered FromProto(const v1::UploadResult& result) {
  const std::string message = Display(result.message());
  switch (result.outcome()) {
    case v1::UPLOAD_OUTCOME_DONE:
      return v1::FileLook();
    case v1::UPLOAD_OUTCOME_NAME_TAKEN:
      return absl::AlreadyExistsError(message);
    case v1::UPLOAD_OUTCOME_REFUSED:
      return absl::FailedPreconditionError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// A watcher tells of its own volumes alone.
absl::Status CheckOwnEvents(const std::vector<VolumeReport>& volumes,
                            const std::vector<FileEvent>& events) {
  for (const FileEvent& event : events) {
    const bool own = std::any_of(volumes.begin(), volumes.end(), [&](const VolumeReport& report) {
      return report.volume == event.file.volume;
    });
    if (own) continue;
    return absl::PermissionDeniedError(
        absl::StrCat("events.file.volume: ", event.file.volume,
                     " is no volume of this watcher; name it in the hello"));
  }
  return absl::OkStatus();
}

}  // namespace

struct ObserveService::Exchange {
  bool hello = false;
  bool heartbeat = false;
  std::string version;
  std::string address;
  std::vector<VolumeReport> volumes;
  std::vector<FileEvent> events;
  std::vector<std::pair<Lease, std::string>> published;
  std::vector<std::pair<std::string, Lease>> staging;
  std::vector<std::pair<int64_t, WatcherBoard::Answered>> answers;
  bool complete = false;  // the answer is to say everything
  std::optional<v1::HostHealth> health;
  absl::Time heard_at;          // with `health`
  std::shared_ptr<void> taken;  // dropped once the message is dealt with
  // Filled by Apply.
  std::vector<std::pair<std::string, Interest>> interests;
  std::vector<std::pair<std::string, Lease>> sweep;
  std::vector<Job> orders;
};

ObserveService::ObserveService(StoreLoop* loop, ChangeFeed* feed, WatcherBoard* board,
                               HealthBoard* health, const Callers* callers)
    : loop_(*loop),
      board_(*board),
      health_(*health),
      callers_(callers),
      subscription_(feed->Subscribe([this](const Effects& effects) { OnChange(effects); })) {}

ObserveService::~ObserveService() { subscription_.reset(); }

grpc::ServerBidiReactor<v1::ObserveRequest, v1::ObserveResponse>* ObserveService::Observe(
    grpc::CallbackServerContext* context) {
  auto visit = std::make_shared<Visit>();
  if (callers_ != nullptr) visit->caller = callers_->Of(*context);
  visit->stream = Stream::Make();
  Stream* reactor = visit->stream.get();
  reactor->Begin(
      {
          .on_message =
              [this, visit](v1::ObserveRequest request) { OnMessage(visit, std::move(request)); },
          .on_end = [this, visit] { OnEnd(visit); },
      },
      /*settles=*/true);
  ungreeted_.Enter(visit->stream);
  return reactor;
}

void ObserveService::Shutdown() {
  std::map<std::string, std::shared_ptr<Visit>> visits;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    visits = visits_;
  }
  for (const auto& [host, visit] : visits) {
    visit->stream->End(absl::UnavailableError("the coordinator is stopping"));
  }
}

absl::Status ObserveService::Check(Visit& visit, const v1::ObserveRequest& request,
                                   Exchange& exchange) {
  if (visit.host.empty()) {
    if (absl::Status s = CheckName("host", request.host()); !s.ok()) return s;
    if (request.ledger_id().size() != kLedgerIdBytes) {
      return absl::InvalidArgumentError("ledger_id: must be 16 bytes");
    }
    visit.host = request.host();
    visit.ledger_id = request.ledger_id();
    exchange.hello = true;
    exchange.version = request.version();
    exchange.address = request.address();
  }
  if (request.events_size() > kEventsPerMessageMax ||
      request.published_size() > kPublishedPerMessageMax ||
      request.staging_size() > kStagingPerMessageMax ||
      request.flushed_size() + request.looked_size() + request.uploaded_size() >
          kAnswersPerMessageMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", kEventsPerMessageMax, " events, ", kPublishedPerMessageMax,
                     " published results, ", kStagingPerMessageMax, " staging directories and ",
                     kAnswersPerMessageMax, " answers a message"));
  }
  if (request.volumes_size() > kVolumesPerWatcherMax || request.version().size() > kTextBytesMax ||
      request.address().size() > kTextBytesMax ||
      request.health().ByteSizeLong() > kHealthBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "at most ", kVolumesPerWatcherMax, " volumes, ", kTextBytesMax,
        " bytes of version and address, and ", kHealthBytesMax, " bytes of health a message"));
  }
  exchange.heartbeat = request.heartbeat();
  exchange.complete = request.heartbeat() || request.published_size() > 0;
  for (const v1::VolumeStatus& status : request.volumes()) {
    absl::StatusOr<VolumeReport> report = FromProto(status);
    if (!report.ok()) return report.status();
    exchange.volumes.push_back(*std::move(report));
  }
  absl::Status may = CheckMayObserve(visit.caller, visit.host, exchange.volumes);
  if (!may.ok()) return may;
  for (const v1::FileEvent& proto : request.events()) {
    absl::StatusOr<FileEvent> event = FromProto(proto);
    if (!event.ok()) return event.status();
    exchange.events.push_back(*std::move(event));
  }
  for (const v1::PublishResult& result : request.published()) {
    exchange.published.emplace_back(FromProto(result.lease()), result.error());
  }
  for (const v1::StagingDirectory& directory : request.staging()) {
    exchange.staging.emplace_back(directory.volume(), FromProto(directory.lease()));
  }
  for (const v1::FlushResult& result : request.flushed()) {
    WatcherBoard::Answered answer = v1::FileLook();
    if (!result.error().empty()) answer = absl::FailedPreconditionError(Display(result.error()));
    exchange.answers.emplace_back(result.id(), std::move(answer));
  }
  for (const v1::LookResult& result : request.looked()) {
    exchange.answers.emplace_back(result.id(), result.look());
  }
  for (const v1::UploadResult& result : request.uploaded()) {
    exchange.answers.emplace_back(result.id(), FromProto(result));
  }
  return absl::OkStatus();
}

absl::Status ObserveService::Apply(Visit& visit, Exchange& exchange, Engine& engine,
                                   StoreTransaction& tx, absl::Time now) {
  exchange.interests.clear();
  exchange.sweep.clear();
  if (exchange.hello) {
    Watcher watcher{.host = visit.host,
                    .ledger_id = visit.ledger_id,
                    .version = exchange.version,
                    .address = exchange.address,
                    .volumes = exchange.volumes};
    absl::StatusOr<WatcherStream> connected = engine.ConnectWatcher(tx, watcher, now);
    if (!connected.ok()) return connected.status();
    visit.number = connected->number;
    visit.accepted = true;
    visit.volumes = exchange.volumes;
  } else if (!visit.accepted) {
    return absl::CancelledError("the hello was refused");
  } else if (exchange.heartbeat) {
    absl::Status s = engine.UpdateWatcher(tx, visit.watcher_stream(), exchange.volumes, now);
    if (!s.ok()) return s;
    visit.volumes = exchange.volumes;
  }
  if (absl::Status s = CheckOwnEvents(visit.volumes, exchange.events); !s.ok()) return s;
  absl::Status recorded = engine.RecordEvents(tx, visit.watcher_stream(), exchange.events, now);
  if (!recorded.ok()) return recorded;
  std::optional<Lease> foreign;
  for (const auto& [lease, error] : exchange.published) {
    if (Engine::MayPublish(tx, visit.volumes, lease)) {
      engine.RecordPublished(tx, lease, error, now);
    } else {
      foreign = lease;
    }
  }
  // Of each message once: whoever lies must not fill the log as well.
  if (foreign.has_value()) {
    LogWarn("a watcher tells of results in a volume that is not its own",
            {{"host", visit.host}, {"job", foreign->job.value}});
  }
  for (const auto& [volume, lease] : exchange.staging) {
    // No job has number 0: what is staged under it was uploaded.
    const bool may =
        lease.job.value == 0 ? MaySweepUpload(tx, lease.token.value) : engine.MaySweep(tx, lease);
    if (may) exchange.sweep.emplace_back(volume, lease);
  }
  if (!exchange.complete) return absl::OkStatus();
  exchange.orders = engine.PublishOrders(tx, visit.volumes);
  for (const VolumeReport& report : visit.volumes) {
    exchange.interests.emplace_back(report.volume, InterestIn(engine.fleet(), report.volume));
  }
  return absl::OkStatus();
}

Expected ObserveService::WhatIsRead(const Visit& visit, const Exchange& exchange) {
  Expected expected{.watchers = {visit.host}};
  for (const FileEvent& event : exchange.events) {
    expected.files.push_back(event.file);
    expected.events.emplace_back(visit.ledger_id, event.sequence);
  }
  for (const auto& [lease, error] : exchange.published) expected.jobs.push_back(lease.job);
  for (const auto& [volume, lease] : exchange.staging) expected.jobs.push_back(lease.job);
  return expected;
}

void ObserveService::OnMessage(const std::shared_ptr<Visit>& visit, v1::ObserveRequest request) {
  auto exchange = std::make_shared<Exchange>();
  exchange->taken = budget_.TakeFor(visit->stream, Stream::TakesBytes(request));
  if (exchange->taken == nullptr) return;
  ungreeted_.Leave(visit->stream.get());
  if (absl::Status s = Check(*visit, request, *exchange); !s.ok()) return visit->stream->End(s);
  if (request.has_health()) {
    exchange->health = std::move(*request.mutable_health());
    exchange->heard_at = WallTime();
  }
  Submit(visit, std::move(exchange));
}

void ObserveService::Refresh(const std::shared_ptr<Visit>& visit) {
  auto exchange = std::make_shared<Exchange>();
  exchange->complete = true;
  Submit(visit, std::move(exchange));
}

void ObserveService::Submit(const std::shared_ptr<Visit>& visit,
                            std::shared_ptr<Exchange> exchange) {
  Expected expected = WhatIsRead(*visit, *exchange);
  loop_.Submit(
      [visit, exchange](Engine& engine, StoreTransaction& tx, absl::Time now) {
        return Apply(*visit, *exchange, engine, tx, now);
      },
      [this, visit, exchange](const absl::Status& status) {
        if (!status.ok()) return visit->stream->End(status);
        Answer(visit, *exchange);
      },
      std::move(expected));
}

void ObserveService::Answer(const std::shared_ptr<Visit>& visit, const Exchange& exchange) {
  v1::ObserveResponse response;
  if (exchange.hello) {
    std::shared_ptr<Visit> replaced;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return visit->stream->End(absl::UnavailableError("stopping"));
      replaced = std::exchange(visits_[visit->host], visit);
    }
    if (replaced != nullptr) {
      replaced->stream->End(absl::AbortedError("a newer stream has taken over"));
    }
    *response.mutable_heartbeat_interval() = ToProto(kWatcherHeartbeat);
    LogInfo("watcher observes", {{"host", visit->host}, {"volumes", visit->volumes.size()}});
  }
  if (!exchange.events.empty()) response.set_acked_sequence(exchange.events.back().sequence);
  response.set_complete(exchange.complete &&
                        static_cast<int64_t>(exchange.orders.size()) < kPublishOrdersMax);
  for (const auto& [volume, interest] : exchange.interests) {
    if (response.complete() && !interest.empty()) {
      *response.add_interests() = ToProto(volume, interest);
    }
  }
  for (const Job& job : exchange.orders) *response.add_orders() = ToPublishOrder(job);
  for (const auto& [volume, lease] : exchange.sweep) {
    v1::StagingDirectory* directory = response.add_sweep();
    directory->set_volume(volume);
    *directory->mutable_lease() = ToProto(lease);
  }
  visit->stream->Send(std::move(response));
  if (exchange.health.has_value()) {
    health_.Set(visit->host, visit.get(), *exchange.health, exchange.heard_at);
  }
  if (exchange.hello || exchange.heartbeat) {
    // The visit outlives its place on the board: OnEnd takes it away.
    board_.SetStream(visit.get(), visit->volumes,
                     [visit](int64_t id, const WatcherQuestion& question) {
                       visit->stream->Send(ToProto(id, question));
                     });
  }
  for (const auto& [id, answer] : exchange.answers) board_.Answer(visit.get(), id, answer);
}

void ObserveService::OnEnd(const std::shared_ptr<Visit>& visit) {
  ungreeted_.Leave(visit->stream.get());
  loop_.Submit(
      [this, visit](Engine& engine, StoreTransaction& tx, absl::Time) {
        if (visit->accepted && !IsReplaced(visit)) {
          engine.DisconnectWatcher(tx, visit->watcher_stream());
        }
        return absl::OkStatus();
      },
      [this, visit](const absl::Status&) {
        {
          absl::MutexLock lock(&mutex_);
          auto it = visits_.find(visit->host);
          if (it != visits_.end() && it->second == visit) visits_.erase(it);
        }
        board_.RemoveStream(visit.get());
        health_.Remove(visit->host, visit.get());
        if (visit->accepted) LogInfo("watcher's stream ended", {{"host", visit->host}});
      },
      {.watchers = {visit->host}});
}

bool ObserveService::IsReplaced(const std::shared_ptr<Visit>& visit) {
  absl::MutexLock lock(&mutex_);
  auto it = visits_.find(visit->host);
  return it != visits_.end() && it->second != visit;
}

void ObserveService::OnChange(const Effects& effects) {
  if (effects.publish.empty() && !effects.pipelines && !effects.elsewhere.publish) return;
  std::map<std::string, std::shared_ptr<Visit>> visits;
  {
    absl::MutexLock lock(&mutex_);
    visits = visits_;
  }
  for (const auto& [host, visit] : visits) {
    // What others have left to be published shows in the orders.
    if (effects.pipelines || effects.elsewhere.publish) Refresh(visit);
    v1::ObserveResponse response;
    for (const Job& job : effects.publish) {
      for (const VolumeReport& report : visit->volumes) {
        if (report.volume == job.output_volume) *response.add_orders() = ToPublishOrder(job);
      }
    }
    if (response.orders_size() > 0) visit->stream->Send(std::move(response));
  }
}

}  // namespace closewrite
