#include "tests/simulation/executor_model.h"

#include <algorithm>
#include <utility>

namespace closewrite::simulation {
namespace {

// As services/executor/coordinator_link.h has them.
constexpr int kHeartbeatsPerTtl = 5;
constexpr absl::Duration kReconnectMin = absl::Milliseconds(100);
constexpr absl::Duration kReconnectMax = absl::Seconds(5);
constexpr absl::Duration kReconnectRunningMax = absl::Milliseconds(500);
constexpr absl::Duration kFirstAnswerMax = absl::Seconds(10);
constexpr absl::Duration kFirstAnswerOfSeveralMax = absl::Seconds(1);
constexpr absl::Duration kUnansweredMin = absl::Milliseconds(250);
constexpr absl::Duration kTakenOverPause = absl::Seconds(2);
constexpr absl::Duration kReapMax = absl::Seconds(5);
// How often a start looks whether the commands of its predecessor are dead.
constexpr absl::Duration kLockPoll = absl::Milliseconds(2);

}  // namespace

ExecutorModel::ExecutorModel(Options options)
    : options_(std::move(options)),
      machine_(options_.world, options_.name + " machine"),
      process_(options_.world, options_.name),
      host_(options_.network->AddHost()),
      commands_({.world = options_.world,
                 .machine = &machine_,
                 .on_dead = [this](const Lease& lease) { options_.witness->OnDead(lease); },
                 .outlive_lease = options_.plant == Plant::kOutliveLease}),
      guardian_(GuardianOptions([this] { return has_lock_; })),
      predecessor_(GuardianOptions([] { return false; })) {
  machine_.Start();
}

GuardianModel::Options ExecutorModel::GuardianOptions(std::function<bool()> taken) {
  return {.world = options_.world,
          .dial = options_.dial,
          .host = host_,
          .hello = Hello(),
          .commands = &commands_,
          .journal = &journal_,
          .witness = options_.witness,
          .taken = std::move(taken)};
}

ExecutorHello ExecutorModel::Hello() const {
  ExecutorHello hello{
      .name = options_.name, .host = options_.name + "-host", .slots = options_.plan.slots};
  if (options_.plan.internet) hello.labels = {"internet"};
  for (const auto& [name, volume] : *options_.volumes) hello.volume_roots[name] = "/" + name;
  return hello;
}

void ExecutorModel::Start() {
  if (process_.up()) {
    start_again_ = draining_;
    return;
  }
  start_again_ = false;
  process_.Start();
  if (!machine_.up()) machine_.Start();
  world().Note(process_.name(), "starts");
  Begin();
}

void ExecutorModel::Begin() {
  // The journal's lock is free once all commands of the predecessor are dead, and said to be.
  if (!commands_.empty() || guardian_.holds_lock()) {
    return process_.After(kLockPoll, [this] { Begin(); });
  }
  has_lock_ = true;
  predecessor_.SpeakForTheDead([this] { TakeUp(); });
}

void ExecutorModel::TakeUp() {
  journal_.session.clear();
  attempts_ = std::make_unique<AttemptsModel>(AttemptsModel::Options{.world = options_.world,
                                                                     .network = options_.network,
                                                                     .part = &process_,
                                                                     .machine = &machine_,
                                                                     .host = host_,
                                                                     .slots = options_.plan.slots,
                                                                     .commands = &commands_,
                                                                     .journal = &journal_,
                                                                     .volumes = options_.volumes,
                                                                     .scenario = options_.scenario,
                                                                     .calm = options_.calm,
                                                                     .witness = options_.witness,
                                                                     .wake = [this] { Ring(); }});
  attempts_->TakeUp();
  leases_ = {};
  leases_lost_ = draining_ = greeted_ = false;
  session_ttl_ = connect_at_ = reap_until_ = absl::ZeroDuration();
  pause_ = kReconnectMin;
  Tick();
}

void ExecutorModel::Crash(bool guardian_lives) {
  if (!process_.up()) return;
  world().Note(process_.name(), "crashes, its guardian lives: $0", {guardian_lives});
  const bool had_begun = has_lock_;
  Stop();
  if (had_begun && guardian_lives) guardian_.OnExecutorDied();
}

void ExecutorModel::Stop() {
  process_.Crash();
  options_.network->Died(process_);
  stream_.reset();
  attempts_.reset();
  predecessor_.Die();
  has_lock_ = false;
  commands_.ExecutorDied();
}

void ExecutorModel::CutPower() {
  Crash(false);
  guardian_.Die();
  world().Note(process_.name(), "loses its power");
  machine_.Crash();
  commands_.CutPower();
  journal_.CutPower(world().random());
}

void ExecutorModel::Freeze(absl::Duration duration, bool machine) {
  if (!process_.up()) return;
  world().Note(process_.name(), "freezes for $0 ms, its machine: $1",
               {absl::ToInt64Milliseconds(duration), machine});
  process_.FreezeUntil(world().now() + duration);
  options_.network->Froze(process_, duration);
  predecessor_.part().FreezeUntil(world().now() + duration);
  if (!machine) return;
  machine_.FreezeUntil(world().now() + duration);
  guardian_.part().FreezeUntil(world().now() + duration);
}

void ExecutorModel::Drain() {
  if (attempts_ == nullptr) return;
  world().Note(process_.name(), "drains");
  draining_ = true;
  heartbeat_at_ = absl::ZeroDuration();
  attempts_->Drain();
  Ring();
}

void ExecutorModel::Ring() {
  process_.After(absl::ZeroDuration(), [this, number = ++tick_number_] {
    if (number == tick_number_) Tick();
  });
}

void ExecutorModel::Tick() {
  const absl::Duration next = Turn();
  if (!process_.up()) return;
  process_.After(next - world().now(), [this, number = ++tick_number_] {
    if (number == tick_number_) Tick();
  });
}

absl::Duration ExecutorModel::Turn() {
  const absl::Duration now = world().now();
  WatchLeases(now);
  const bool reaped = attempts_->Reap();
  if (stream_ != nullptr) {
    absl::Duration next = TurnStream(now);
    if (!leases_lost_ && leases_.deadline() > now) next = std::min(next, leases_.deadline());
    return next;
  }
  if (!reaped && now < reap_until_) return reap_until_;
  if (now < connect_at_) return connect_at_;
  Connect(now);
  return now + FirstAnswerMax();
}

absl::Duration ExecutorModel::FirstAnswerMax() const {
  return options_.dial->several() ? kFirstAnswerOfSeveralMax : kFirstAnswerMax;
}

// Until when the coordinator is to have answered what was sent.
absl::Duration ExecutorModel::PatienceEnds() const {
  if (!options_.dial->several()) return absl::InfiniteDuration();
  return leases_.unanswered_since() + std::max(HeartbeatEvery() / 2, kUnansweredMin);
}

// First of all: nothing may run, or be reported as done, on a lease that is over.
void ExecutorModel::WatchLeases(absl::Duration now) {
  if (options_.plant == Plant::kOutliveLease) return;
  if (leases_lost_ || leases_.deadline() == absl::ZeroDuration() || !leases_.Expired(now)) return;
  leases_lost_ = true;
  world().Note(process_.name(), "could not renew its leases");
  attempts_->KillAll();
  if (stream_ == nullptr) return;
  stream_->Cancel();
  OnEnd(absl::CancelledError("given up"));
}

absl::Duration ExecutorModel::TurnStream(absl::Duration now) {
  if (!greeted_) {
    if (now < started_at_ + FirstAnswerMax()) return started_at_ + FirstAnswerMax();
    stream_->Cancel();
    OnEnd(absl::DeadlineExceededError("no first answer"));
    return now + kReconnectMin;
  }
  if (now >= PatienceEnds()) {
    stream_->Cancel();
    OnEnd(absl::CancelledError("a heartbeat is not answered"));
    return now + kReconnectMin;
  }
  const bool heartbeat = now >= heartbeat_at_;
  const bool changed = attempts_->TakeChange();
  if (changed || heartbeat) {
    AttendUp request;
    attempts_->Fill(heartbeat, request.report);
    const AttendReport& report = request.report;
    const bool empty = report.running.empty() && report.results.empty() && report.logs.empty();
    if (heartbeat || !empty) Send(heartbeat, std::move(request));
  }
  // It stops once all that it has done is recorded.
  if (draining_ && attempts_->empty()) {
    process_.After(absl::Milliseconds(50), [this] {
      Stop();
      if (start_again_) Start();
    });
  }
  return std::min(heartbeat_at_, PatienceEnds());
}

void ExecutorModel::Connect(absl::Duration now) {
  greeted_ = false;
  sequence_ = 0;
  started_at_ = now;
  leases_.StartStream();
  attempts_->StartStream();
  stream_ = options_.dial->Attend(
      {&process_, host_}, {.on_message = [this](AttendDown response) { OnMessage(response); },
                           .on_end = [this](const absl::Status& status) { OnEnd(status); }});
  AttendUp hello;
  hello.hello = Hello();
  hello.hello->session = journal_.session;
  attempts_->Fill(true, hello.report);
  Send(true, std::move(hello));
}

void ExecutorModel::Send(bool heartbeat, AttendUp request) {
  request.sequence = ++sequence_;
  request.report.draining = draining_;
  if (heartbeat) {
    leases_.Sent(sequence_, world().now());
    heartbeat_at_ = world().now() + HeartbeatEvery();
  }
  stream_->SendUp(std::move(request));
}

absl::Duration ExecutorModel::HeartbeatEvery() const {
  return session_ttl_ == absl::ZeroDuration() ? absl::Seconds(2) : session_ttl_ / kHeartbeatsPerTtl;
}

void ExecutorModel::OnMessage(const AttendDown& response) {
  if (!response.session.empty()) {
    greeted_ = true;
    pause_ = kReconnectMin;
    session_ttl_ = response.session_ttl;
    heartbeat_at_ = draining_ ? absl::ZeroDuration() : started_at_ + HeartbeatEvery();
    journal_.session = response.session;
  }
  if (session_ttl_ == absl::ZeroDuration()) return;
  // The session was opened, or resumed, by the first message, so its leases count from there.
  const int64_t answered = std::max<int64_t>(response.answered_sequence, greeted_ ? 1 : 0);
  const absl::Duration before = leases_.deadline();
  leases_.Answered(answered, session_ttl_);
  const absl::Duration now = world().now();
  if (leases_.deadline() > before && !leases_.Expired(now)) {
    leases_lost_ = false;
    attempts_->Renew(leases_.deadline());
  }
  attempts_->Settle(response.settled);
  attempts_->AcknowledgeLogs(response.log_lengths);
  if (response.complete) attempts_->KeepOnly(response.held);
  for (const Grant& grant : response.assignments) attempts_->Accept(grant, leases_.deadline());
  Ring();
}

void ExecutorModel::OnEnd(const absl::Status& status) {
  stream_.reset();
  const bool greeted = std::exchange(greeted_, false);
  const absl::Duration now = world().now();
  world().Note(process_.name(), "has no stream: $d", {},
               std::string_view(status.message().data(), status.message().size()));
  if (absl::IsNotFound(status) && !journal_.session.empty()) {
    journal_.session.clear();
    leases_.StartSession();
    leases_lost_ = false;
    attempts_->ForgetAll();
    reap_until_ = now + kReapMax;
    connect_at_ = now;
  } else {
    connect_at_ = now + PauseAfter(status, greeted);
  }
  Ring();
}

absl::Duration ExecutorModel::PauseAfter(const absl::Status& status, bool greeted) {
  if (absl::IsAborted(status)) return kTakenOverPause * (0.5 + world().random().Fraction() / 2);
  if (greeted && options_.dial->several()) return absl::ZeroDuration();
  const absl::Duration limit = attempts_->running() > 0 ? kReconnectRunningMax : kReconnectMax;
  const absl::Duration pause = std::min(pause_, limit);
  pause_ = std::min(pause_ * 2, kReconnectMax);
  return pause * (0.5 + world().random().Fraction() / 2);
}

}  // namespace closewrite::simulation
