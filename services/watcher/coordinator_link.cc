#include "services/watcher/coordinator_link.h"

#include <algorithm>
#include <utility>

#include "services/config/config.h"
#include "services/log/log.h"
#include "services/transport/tls_expiry.h"
#include "services/watcher/observe_messages.h"

namespace closewrite::watcher {
namespace {

constexpr absl::Duration kHeartbeatMin = absl::Milliseconds(10);
constexpr absl::Duration kHeartbeatMax = absl::Minutes(5);

VolumeInterest FromProto(const v1::VolumeInterest& interest) {
  return {.volume = interest.volume(),
          .create = interest.create(),
          .quiet = closewrite::FromProto(interest.quiet())};
}

}  // namespace

CoordinatorLink::CoordinatorLink(Options options) : options_(std::move(options)) {}

CoordinatorLink::~CoordinatorLink() { Shutdown(); }

void CoordinatorLink::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void CoordinatorLink::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    woken_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void CoordinatorLink::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void CoordinatorLink::HeartbeatSoon() {
  absl::MutexLock lock(&mutex_);
  heartbeat_soon_ = true;
  woken_ = true;
}

bool CoordinatorLink::connected() const {
  absl::MutexLock lock(&mutex_);
  return answered_ && !ended_;
}

void CoordinatorLink::Run() {
  while (true) {
    const absl::Status ended = RunSession();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (answered_ || last_error_ != ToStd(ended.message())) {
      LogWarn("no stream to the coordinator; events wait in the ledger, it is tried again",
              {{"error", ended.message()}});
      last_error_ = std::string(ended.message());
    }
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), PauseAfter(ended, answered_));
    if (stopping_) return;
  }
}

absl::Duration CoordinatorLink::PauseAfter(const absl::Status& ended, bool answered) {
  if (answered) {
    backoff_ = absl::ZeroDuration();
    const bool taken_over = absl::IsAborted(ended);
    tries_at_once_ = options_.channel->several() && !taken_over ? kTriesAtOnceMax : 0;
  }
  if (tries_at_once_ > 0) {
    --tries_at_once_;
    return absl::ZeroDuration();
  }
  backoff_ = std::clamp(backoff_ * 2, options_.backoff_min, options_.backoff_max);
  // Another process took over: two with one ledger must not take it from each other all the time.
  if (absl::IsAborted(ended)) backoff_ = options_.backoff_max;
  // Jitter, so that a fleet does not come back in one instant.
  return backoff_ * absl::Uniform(random_, 0.5, 1.0);
}

absl::Status CoordinatorLink::RunSession() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::CancelledError("stopping");
    ended_ = false;
    answered_ = false;
    heard_ = Heard();
  }
  Session session;
  session.number = ++sessions_;
  session.sent = options_.ledger->acknowledged();
  session.flushes = MakeRelay();
  session.stub = v1::ObserveService::NewStub(options_.channel->Get());
  session.stream =
      Stream::Start([&session](grpc::ClientContext* context,
                               auto* reactor) { session.stub->async()->Observe(context, reactor); },
                    {[this](v1::ObserveResponse response) { OnMessage(std::move(response)); },
                     [this](const absl::Status& status) { OnEnd(status); }});
  SendHello(&session);
  session.heard_at = options_.clock->Now();
  while (true) {
    bool heartbeat = false;
    Heard heard = WaitForNews(session.next_heartbeat, &heartbeat);
    bool over = false;
    {
      absl::MutexLock lock(&mutex_);
      over = ended_ || stopping_;
    }
    if (over) break;
    if (heard.anything) session.heard_at = options_.clock->Now();
    const absl::Duration silence = options_.clock->Now() - session.heard_at;
    if (options_.channel->several() && silence > session.interval * kSilentHeartbeatsMax) break;
    Act(std::move(heard), &session);
    if (heartbeat || options_.clock->Now() >= session.next_heartbeat) SendHeartbeat(&session);
    SendOutcomes(&session);
    SendStaging(&session);
    SendEvents(&session);
    SendFlushed(&session);
    SendUploaded(&session);
  }
  session.flushes->Close();
  session.stream->Cancel();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&ended_));
  return end_status_;
}

void CoordinatorLink::OnMessage(v1::ObserveResponse response) {
  absl::MutexLock lock(&mutex_);
  if (!answered_) LogInfo("stream to the coordinator is up");
  answered_ = true;
  woken_ = true;
  heard_.anything = true;
  heard_.acknowledged = std::max(heard_.acknowledged, response.acked_sequence());
  if (response.has_heartbeat_interval()) {
    heard_.heartbeat_interval = closewrite::FromProto(response.heartbeat_interval());
  }
  if (response.complete()) {
    // It stands for all that was said before.
    heard_.complete = true;
    heard_.orders.clear();
    heard_.interests.clear();
    for (const v1::VolumeInterest& interest : response.interests()) {
      heard_.interests.push_back(FromProto(interest));
    }
  }
  for (v1::FlushRequest& flush : *response.mutable_flushes()) {
    if (heard_.flushes.size() < kHeardOrdersMax) heard_.flushes.push_back(std::move(flush));
  }
  for (v1::LookRequest& look : *response.mutable_looks()) {
    if (heard_.looks.size() < kHeardLooksMax) heard_.looks.push_back(std::move(look));
  }
  for (v1::UploadOrder& upload : *response.mutable_uploads()) {
    if (heard_.uploads.size() < kHeardOrdersMax) heard_.uploads.push_back(std::move(upload));
  }
  for (v1::PublishOrder& order : *response.mutable_orders()) {
    if (heard_.orders.size() < kHeardOrdersMax) heard_.orders.push_back(std::move(order));
  }
  for (v1::StagingDirectory& directory : *response.mutable_sweep()) {
    if (heard_.sweep.size() < kHeardOrdersMax) heard_.sweep.push_back(std::move(directory));
  }
}

void CoordinatorLink::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  end_status_ = status.ok() ? absl::UnavailableError("the coordinator ended the stream") : status;
  woken_ = true;
}

CoordinatorLink::Heard CoordinatorLink::WaitForNews(absl::Time until, bool* heartbeat_soon) {
  const absl::Duration pause = until - options_.clock->Now();
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&woken_), std::max(pause, absl::ZeroDuration()));
  woken_ = false;
  *heartbeat_soon = std::exchange(heartbeat_soon_, false);
  return std::exchange(heard_, Heard());
}

void CoordinatorLink::Act(Heard heard, Session* session) {
  if (heard.heartbeat_interval > absl::ZeroDuration()) {
    session->interval = std::clamp(heard.heartbeat_interval, kHeartbeatMin, kHeartbeatMax);
    session->next_heartbeat =
        std::min(session->next_heartbeat, options_.clock->Now() + session->interval);
  }
  // More than was sent on this stream can't have been committed from it.
  session->acknowledged =
      std::max(session->acknowledged, std::min(heard.acknowledged, session->sent));
  if (session->acknowledged > options_.ledger->acknowledged()) {
    const absl::Status status = options_.ledger->Acknowledge(session->acknowledged);
    // On a full disk: it is tried again whenever the thread wakes up, at each heartbeat at least.
    if (!status.ok()) LogError("acknowledgement not recorded", {{"error", status.message()}});
    while (!session->in_flight.empty() &&
           session->in_flight.front().last_sequence <= session->acknowledged) {
      session->events_in_flight -= session->in_flight.front().events;
      session->in_flight.pop_front();
    }
  }
  std::set<PublishKey> ordered;
  for (const v1::PublishOrder& order : heard.orders) {
    ordered.insert(FromProto(order.lease()));
    options_.publisher->Submit(FromProto(order));
  }
  if (heard.complete) {
    options_.publisher->Settle(ordered);
    if (options_.on_interests) options_.on_interests(std::move(heard.interests));
  }
  for (const v1::FlushRequest& flush : heard.flushes) {
    session->flushes->Ask(flush.id(), flush.volume());
  }
  for (const v1::StagingDirectory& directory : heard.sweep) {
    options_.publisher->Sweep(FromProto(directory));
  }
  for (v1::UploadOrder& upload : heard.uploads) {
    if (options_.uploads != nullptr) options_.uploads->Submit(session->number, std::move(upload));
  }
  SendLooked(heard.looks, session);
}

void CoordinatorLink::AddReports(v1::ObserveRequest* request) const {
  const std::vector<VolumeReport> reports = options_.report();
  for (const VolumeReport& report : reports) *request->add_volumes() = ToProto(report);
  v1::HostHealth* const health = request->mutable_health();
  *health = HealthOf(reports, WallTime());
  if (const std::optional<absl::Time> expires_at = CertificateExpiry(options_.tls)) {
    *health->mutable_certificate_expires_at() = closewrite::ToProto(*expires_at);
  }
}

void CoordinatorLink::SendHello(Session* session) {
  v1::ObserveRequest hello;
  hello.set_host(options_.host);
  hello.set_ledger_id(options_.ledger->id());
  hello.set_version(options_.version);
  hello.set_address(options_.address);
  hello.set_heartbeat(true);
  AddReports(&hello);
  session->stream->Send(std::move(hello));
  session->next_heartbeat = options_.clock->Now() + session->interval;
}

void CoordinatorLink::SendHeartbeat(Session* session) {
  v1::ObserveRequest heartbeat;
  heartbeat.set_heartbeat(true);
  AddReports(&heartbeat);
  session->stream->Send(std::move(heartbeat));
  // Whatever was lost on the way is said again.
  session->published.clear();
  session->next_heartbeat = options_.clock->Now() + session->interval;
}

void CoordinatorLink::SendOutcomes(Session* session) {
  v1::ObserveRequest request;
  for (const PublishOutcome& outcome : options_.publisher->Outcomes()) {
    if (!session->published.insert(outcome.key).second) continue;
    *request.add_published() = ToProto(outcome);
    if (request.published_size() < kPublishedPerMessageMax) continue;
    session->stream->Send(std::exchange(request, v1::ObserveRequest()));
  }
  if (request.published_size() > 0) session->stream->Send(std::move(request));
}

void CoordinatorLink::SendStaging(Session* session) {
  v1::ObserveRequest request;
  for (const StagingEntry& entry : options_.publisher->TakeStaging()) {
    *request.add_staging() = ToProto(entry);
    if (request.staging_size() < kStagingPerMessageMax) continue;
    session->stream->Send(std::exchange(request, v1::ObserveRequest()));
  }
  if (request.staging_size() > 0) session->stream->Send(std::move(request));
}

void CoordinatorLink::SendEvents(Session* session) {
  while (session->events_in_flight < kUnacknowledgedEventsMax &&
         session->in_flight.size() < kUnacknowledgedMessagesMax) {
    // A few events wait for the answer to those before them: what comes during one commit of the
    // coordinator shares the next, and when nothing is in flight nothing waits.
    const bool few = options_.ledger->sequence() - session->sent < kEventsPerMessageMax / 2;
    if (few && session->events_in_flight > 0) return;
    const int rows_max = static_cast<int>(std::min<int64_t>(
        kEventsPerMessageMax, kUnacknowledgedEventsMax - session->events_in_flight));
    const absl::StatusOr<std::vector<PendingChange>> changes =
        options_.ledger->Pending(session->sent, rows_max);
    if (!changes.ok()) {
      LogError("the ledger can't be read", {{"error", changes.status().message()}});
      return;
    }
    if (changes->empty()) return;
    v1::ObserveRequest request;
    for (const PendingChange& change : *changes) *request.add_events() = ToProto(change);
    session->sent = changes->back().record.sequence;
    options_.ledger->NoteSent(session->sent);
    const int64_t count = static_cast<int64_t>(changes->size());
    session->in_flight.push_back({session->sent, count});
    session->events_in_flight += count;
    if (!session->stream->Send(std::move(request))) return;
  }
}

std::shared_ptr<FlushRelay> CoordinatorLink::MakeRelay() {
  FlushRelay::Options options;
  options.flush = options_.flush;
  if (!options.flush) {
    options.flush = [](const std::string&, const FlushRelay::Done& done) {
      done(absl::UnimplementedError("this watcher flushes nothing"));
    };
  }
  options.wake = [this] { Wake(); };
  options.settled = [this](int64_t sequence) {
    const absl::StatusOr<bool> settled = options_.ledger->Settled(sequence);
    if (!settled.ok())
      LogError("the ledger can't be read", {{"error", settled.status().message()}});
    return settled.value_or(false);
  };
  options.newest = [this] { return options_.ledger->sequence(); };
  return FlushRelay::Make(std::move(options));
}

void CoordinatorLink::SendLooked(const std::vector<v1::LookRequest>& looks, Session* session) {
  if (looks.empty() || !options_.look) return;
  v1::ObserveRequest request;
  for (const v1::LookRequest& look : looks) {
    v1::LookResult* const result = request.add_looked();
    result->set_id(look.id());
    *result->mutable_look() = options_.look(look);
    // Contents fill a message each.
    if (result->look().has_content()) {
      session->stream->Send(std::exchange(request, v1::ObserveRequest()));
    }
  }
  if (request.looked_size() > 0) session->stream->Send(std::move(request));
}

void CoordinatorLink::SendUploaded(Session* session) {
  if (options_.uploads == nullptr) return;
  v1::ObserveRequest request;
  for (v1::UploadResult& result : options_.uploads->Take(session->number)) {
    *request.add_uploaded() = std::move(result);
  }
  if (request.uploaded_size() > 0) session->stream->Send(std::move(request));
}

void CoordinatorLink::SendFlushed(Session* session) {
  v1::ObserveRequest request;
  for (const FlushRelay::Answer& answer : session->flushes->Step()) {
    v1::FlushResult* const result = request.add_flushed();
    result->set_id(answer.id);
    result->set_error(answer.error);
    if (request.flushed_size() < kFlushedPerMessageMax) continue;
    session->stream->Send(std::exchange(request, v1::ObserveRequest()));
  }
  if (request.flushed_size() > 0) session->stream->Send(std::move(request));
}

}  // namespace closewrite::watcher
