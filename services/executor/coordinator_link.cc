#include "services/executor/coordinator_link.h"

#include <algorithm>
#include <utility>

#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/config/duration.h"
#include "services/executor/last_words.h"
#include "services/log/log.h"
#include "services/log/str_cat.h"
#include "services/transport/tls_expiry.h"

namespace closewrite::executor {

CoordinatorLink::CoordinatorLink(Options options) : options_(std::move(options)) {
  numbers_.answered_at = SinceBoot();
}

CoordinatorLink::~CoordinatorLink() { Shutdown(); }

void CoordinatorLink::Start() { thread_ = std::thread(&CoordinatorLink::Run, this); }

void CoordinatorLink::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Cancel();
  }
  options_.bell->Ring();
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  if (stream_ != nullptr) stream_->Cancel();
  mutex_.Await(absl::Condition(
      +[](int* open) { return *open == 0; }, &streams_open_));
}

void CoordinatorLink::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  heartbeat_at_ = absl::ZeroDuration();
  options_.bell->Ring();
}

void CoordinatorLink::AwaitDrained(absl::Duration within) {
  const auto recorded = [this] {
    mutex_.AssertHeld();
    return drain_recorded_ || stream_ == nullptr;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&recorded), within);
}

std::string CoordinatorLink::session_id() const {
  absl::MutexLock lock(&mutex_);
  return session_id_;
}

bool CoordinatorLink::connected() const {
  absl::MutexLock lock(&mutex_);
  return stream_ != nullptr && greeted_;
}

bool CoordinatorLink::draining() const {
  absl::MutexLock lock(&mutex_);
  return draining_;
}

bool CoordinatorLink::told_to_drain() const {
  absl::MutexLock lock(&mutex_);
  return told_to_drain_;
}

CoordinatorLink::Numbers CoordinatorLink::numbers() const {
  absl::MutexLock lock(&mutex_);
  Numbers numbers = numbers_;
  numbers.connected = stream_ != nullptr && greeted_;
  numbers.draining = draining_;
  numbers.lease_deadline = leases_.deadline();
  return numbers;
}

bool CoordinatorLink::TakeUpEarlierSession() {
  if (options_.journal->SessionIsEnding() && !EndEarlierSession()) return false;
  options_.table->TakeUp(options_.journal->TakeUp());
  absl::MutexLock lock(&mutex_);
  session_id_ = options_.journal->SessionIsEnding() ? "" : options_.journal->Session();
  return true;
}

bool CoordinatorLink::EndEarlierSession() {
  for (bool told = false;; told = true) {
    const absl::Status status =
        EndSessionOfTheDead(options_.channel->Get(), options_.hello, *options_.journal);
    absl::Duration pause;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return false;
      if (!absl::IsUnavailable(status)) {
        if (!status.ok())
          LogError("the earlier session was not ended", {{"error", status.ToString()}});
        pause_ = kReconnectMin;
        return true;
      }
      if (!told) {
        LogWarn("the session of an earlier run can't be ended yet; trying on",
                {{"error", status.message()}});
      }
      pause = PauseAfter(status, false);
    }
    const absl::Duration until = SinceBoot() + pause;
    for (absl::Duration now = SinceBoot(); now < until; now = SinceBoot()) {
      options_.bell->Wait(until - now);
      absl::MutexLock lock(&mutex_);
      if (stopping_) return false;
    }
  }
}

void CoordinatorLink::Run() {
  if (!TakeUpEarlierSession()) return;
  for (;;) {
    const absl::Duration now = SinceBoot();
    const absl::Duration next = Tick(now);
    if (next == -absl::InfiniteDuration()) return;
    options_.bell->Wait(next - SinceBoot());
  }
}

absl::Duration CoordinatorLink::Tick(absl::Duration now) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return -absl::InfiniteDuration();
  WatchLeases(now);
  const bool reaped = options_.table->Reap();
  if (stream_ != nullptr) {
    absl::Duration next = TickStream(now);
    if (!leases_lost_ && leases_.deadline() > now) next = std::min(next, leases_.deadline());
    return next;
  }
  // An old stream may still be dying; one at a time.
  if (streams_open_ > 0) return now + kReconnectMin;
  if (!reaped && now < reap_until_) return reap_until_;
  if (now < connect_at_) return connect_at_;
  Connect(now);
  return now + FirstAnswerMax();
}

// First of all: nothing may run, or be reported as done, on a lease that is over.
void CoordinatorLink::WatchLeases(absl::Duration now) {
  if (leases_lost_ || leases_.deadline() == absl::ZeroDuration() || !leases_.Expired(now)) return;
  leases_lost_ = true;
  ++numbers_.leases_lost;
  LogWarn("no heartbeat was answered in time; all commands are killed",
          {{"session", session_id_}, {"running", options_.table->running()}});
  options_.table->KillAll("the lease could not be renewed in time");
  if (stream_ != nullptr) stream_->Cancel();
}

absl::Duration CoordinatorLink::TickStream(absl::Duration now) {
  if (!greeted_) {
    if (now >= started_at_ + FirstAnswerMax()) stream_->Cancel();
    return std::max(started_at_ + FirstAnswerMax(), now + kReconnectMin);
  }
  if (now >= PatienceEnds()) {
    LogWarn("a heartbeat is not answered; another coordinator is tried",
            {{"session", session_id_}});
    stream_->Cancel();
    return now + kReconnectMin;
  }
  if (options_.table->TakeOutput() && output_at_ == absl::InfiniteDuration()) {
    output_at_ = now + kOutputCoalescing;
  }
  const bool changed = options_.table->TakeChange();
  const bool heartbeat = now >= heartbeat_at_;
  if (changed || heartbeat || now >= output_at_) Send(heartbeat);
  return std::min({heartbeat_at_, output_at_, PatienceEnds()});
}

absl::Duration CoordinatorLink::PatienceEnds() const {
  if (!options_.channel->several()) return absl::InfiniteDuration();
  return leases_.unanswered_since() + std::max(HeartbeatEvery() / 2, kUnansweredMin);
}

void CoordinatorLink::Connect(absl::Duration now) {
  ++stream_number_;
  ++streams_open_;
  ++numbers_.streams;
  greeted_ = false;
  sequence_ = 0;
  drain_sent_ = 0;
  started_at_ = now;
  leases_.StartStream();
  options_.table->StartStream();
  const std::shared_ptr<grpc::Channel> channel = options_.channel->Get();
  // gRPC has a backoff of its own, which would come on top of ours.
  grpc::experimental::ChannelResetConnectionBackoff(channel.get());
  stub_ = v1::AttendService::NewStub(channel);
  const int64_t number = stream_number_;
  stream_ = Stream::Start(
      [this](grpc::ClientContext* context, auto* reactor) {
        stub_->async()->Attend(context, reactor);
      },
      {.on_message =
           [this, number](v1::AttendResponse response) { OnMessage(number, std::move(response)); },
       .on_end = [this, number](const absl::Status& status) { OnEnd(number, status); }});
  v1::AttendRequest hello;
  *hello.mutable_executor() = options_.hello;
  hello.mutable_executor()->set_session_id(session_id_);
  const bool more = options_.table->Fill(true, &hello);
  output_at_ = more ? absl::ZeroDuration() : absl::InfiniteDuration();
  SendOne(true, std::move(hello));
}

void CoordinatorLink::Send(bool heartbeat) {
  output_at_ = absl::InfiniteDuration();
  for (int messages = 0; messages < kMessagesPerTurnMax; ++messages) {
    v1::AttendRequest request;
    const bool more = options_.table->Fill(heartbeat, &request);
    const bool empty =
        request.running().empty() && request.results().empty() && request.logs().empty();
    if (!heartbeat && empty) return;
    if (!SendOne(heartbeat, std::move(request)) || !more) return;
    heartbeat = false;
  }
  output_at_ = absl::ZeroDuration();  // the rest at once
}

void CoordinatorLink::AddHealth(v1::AttendRequest* request) const {
  if (!options_.volumes) return;
  v1::HostHealth* const health = request->mutable_health();
  for (v1::VolumeHealth& volume : options_.volumes()) *health->add_volumes() = std::move(volume);
  *health->mutable_sent_at() = ToProto(WallTime());
  if (const std::optional<absl::Time> expires_at = CertificateExpiry(options_.tls)) {
    *health->mutable_certificate_expires_at() = ToProto(*expires_at);
  }
}

bool CoordinatorLink::SendOne(bool heartbeat, v1::AttendRequest request) {
  const absl::Duration now = SinceBoot();
  request.set_sequence(++sequence_);
  request.set_heartbeat(heartbeat);
  request.set_draining(draining_);
  if (draining_ && drain_sent_ == 0) drain_sent_ = sequence_;
  if (heartbeat) {
    leases_.Sent(sequence_, now);
    heartbeat_at_ = now + HeartbeatEvery();
  }
  // What was given up because of a volume must not come again at once.
  const bool given_up =
      std::any_of(request.results().begin(), request.results().end(), [](const auto& result) {
        return result.outcome() == v1::ATTEMPT_OUTCOME_HANDED_BACK ||
               result.outcome() == v1::ATTEMPT_OUTCOME_KILLED;
      });
  if (heartbeat || given_up) AddHealth(&request);
  return stream_->Send(std::move(request));
}

void CoordinatorLink::OnMessage(int64_t stream_number, v1::AttendResponse response) {
  absl::MutexLock lock(&mutex_);
  if (stream_number != stream_number_ || stopping_) return;
  if (!response.session_id().empty()) TakeHello(response);
  if (session_ttl_ == absl::ZeroDuration()) return;
  // The session was opened, or resumed, by the first message, so its leases count from there.
  const int64_t answered = std::max<int64_t>(response.answered_sequence(), greeted_ ? 1 : 0);
  drain_recorded_ |= drain_sent_ != 0 && answered >= drain_sent_;
  const absl::Duration before = leases_.deadline();
  leases_.Answered(answered, session_ttl_);
  const absl::Duration now = SinceBoot();
  numbers_.answered_at = now;
  if (leases_.deadline() > before && !leases_.Expired(now)) {
    leases_lost_ = false;
    ++numbers_.renewals;
    options_.table->Renew(leases_.deadline());
  }
  AttemptTable& table = *options_.table;
  table.AcknowledgeLogs(response.log_acks());
  table.Settle(response.settled());
  if (response.complete()) table.KeepOnly(response.held(), response.cancelled());
  // One that drains already is not told again: a second stop would be taken for haste.
  if (response.drain() && !draining_ && !std::exchange(told_to_drain_, true) && options_.on_drain) {
    options_.on_drain();
  }
  for (const v1::Assignment& assignment : response.assignments()) {
    table.Accept(assignment, leases_.deadline(), now);
  }
}

void CoordinatorLink::TakeHello(const v1::AttendResponse& response) {
  greeted_ = true;
  pause_ = kReconnectMin;
  last_failure_ = absl::StatusCode::kOk;
  session_ttl_ = FromProto(response.session_ttl());
  heartbeat_at_ = draining_ ? absl::ZeroDuration() : started_at_ + HeartbeatEvery();
  LogInfo("session with the coordinator", {{"session", response.session_id()},
                                           {"resumed", response.session_id() == session_id_},
                                           {"ttl", absl::FormatDuration(session_ttl_)}});
  if (response.session_id() != session_id_) {
    ++numbers_.sessions;
    session_id_ = response.session_id();
    const absl::Status recorded = options_.journal->RecordSession(session_id_);
    if (!recorded.ok()) {
      LogWarn("the session could not be recorded", {{"error", recorded.message()}});
    }
  }
  options_.bell->Ring();
}

void CoordinatorLink::OnEnd(int64_t stream_number, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  --streams_open_;
  options_.bell->Ring();
  if (stream_number != stream_number_) return;
  stream_ = nullptr;
  const bool greeted = std::exchange(greeted_, false);
  if (stopping_) return;
  const absl::Duration now = SinceBoot();
  if (absl::IsNotFound(status) && !session_id_.empty()) {
    LogWarn("the coordinator does not know the session; a new one begins",
            {{"session", session_id_}});
    ForgetSession();
    reap_until_ = now + kReapMax;
    connect_at_ = now;
    return;
  }
  connect_at_ = now + PauseAfter(status, greeted);
  if (status.code() != last_failure_) {
    LogWarn("no stream to the coordinator; trying on",
            {{"error", status.message()}, {"running", options_.table->running()}});
    last_failure_ = status.code();
  }
}

void CoordinatorLink::ForgetSession() {
  session_id_.clear();
  leases_.StartSession();
  leases_lost_ = false;
  options_.table->ForgetAll();
  // What stays there is only asked for when it exists, so a failure is of no harm.
  [[maybe_unused]] const absl::Status ignored = options_.journal->RecordSession("");
}

absl::Duration CoordinatorLink::PauseAfter(const absl::Status& status, bool greeted) {
  if (absl::IsAborted(status)) return kTakenOverPause * absl::Uniform(random_, 0.5, 1.0);
  if (greeted && options_.channel->several()) tries_at_once_ = kTriesAtOnceMax;
  if (tries_at_once_ > 0) {
    --tries_at_once_;
    return absl::ZeroDuration();
  }
  const absl::Duration limit = options_.table->running() > 0 ? kReconnectRunningMax : kReconnectMax;
  const absl::Duration pause = std::min(pause_, limit);
  pause_ = std::min(pause_ * 2, kReconnectMax);
  return pause * absl::Uniform(random_, 0.5, 1.0);
}

}  // namespace closewrite::executor
