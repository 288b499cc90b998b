#include "tests/simulation/guardian_model.h"

#include <utility>

namespace closewrite::simulation {
namespace {

// As services/executor/guardian.h and last_words.h have them.
constexpr absl::Duration kLastWordsMax = absl::Seconds(2);
constexpr absl::Duration kEndSessionMax = absl::Seconds(1);
constexpr absl::Duration kSpeakMax = absl::Seconds(10);
constexpr absl::Duration kTryAgain = absl::Milliseconds(100);
constexpr absl::Duration kLook = absl::Milliseconds(1);

bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status) || absl::IsAborted(status);
}

}  // namespace

GuardianModel::GuardianModel(Options options)
    : options_(std::move(options)), part_(options_.world, options_.hello.name + " guardian") {}

void GuardianModel::Later(absl::Duration delay, void (GuardianModel::*step)()) {
  part_.After(delay, [this, step, number = ++step_] {
    if (number == step_) (this->*step)();
  });
}

void GuardianModel::OnExecutorDied() {
  Die();
  part_.Start();
  give_up_at_ = options_.world->now() + kSpeakMax;
  AwaitDeath();
}

void GuardianModel::SpeakForTheDead(std::function<void()> done) {
  Die();
  part_.Start();
  done_ = std::move(done);
  give_up_at_ = absl::InfiniteDuration();
  Speak();
}

void GuardianModel::Die() {
  done_ = nullptr;
  part_.Crash();
  holds_lock_ = false;
  if (stream_ != nullptr) stream_->Die(Side::kClient);
  stream_.reset();
}

void GuardianModel::AwaitDeath() {
  if (!options_.commands->empty()) return Later(kLook, &GuardianModel::AwaitDeath);
  Speak();
}

void GuardianModel::Speak() {
  if (options_.taken() || options_.journal->session.empty()) return Finish();
  holds_lock_ = true;
  unsettled_.clear();
  for (const auto& [lease, entry] : options_.journal->entries()) {
    Finished& end = unsettled_[lease];
    end = entry.result.value_or(Finished{
        .outcome = Outcome::kLost, .message = "the executor was restarted while the command ran"});
    end.token = lease.token;
    if (!entry.result.has_value()) options_.witness->OnEnded(lease, end);
  }
  if (unsettled_.empty()) return EndSession();
  SayLastWords();
}

void GuardianModel::SayLastWords() {
  stream_ = options_.dial->Attend(
      {&part_, options_.host},
      {.on_message = [this](AttendDown response) { OnMessage(response); },
       .on_end = [this](const absl::Status& status) { OnLastWordsEnd(status); }});
  AttendUp first{.sequence = 1, .hello = options_.hello, .report = {}};
  first.hello->session = options_.journal->session;
  first.report.heartbeat = true;
  first.report.draining = true;
  for (const auto& [lease, end] : unsettled_) {
    first.report.results.push_back({lease.job, end});
    const std::string& log = options_.journal->entries().at(lease).log;
    if (!log.empty()) first.report.logs.push_back({lease, 0, log});
  }
  stream_->SendUp(std::move(first));
  Later(kLastWordsMax, &GuardianModel::EndSession);
}

void GuardianModel::OnMessage(const AttendDown& response) {
  for (const Lease& lease : response.settled) {
    const auto said = unsettled_.find(lease);
    if (said == unsettled_.end()) continue;
    options_.witness->OnSettled(lease, said->second);
    options_.journal->Forget(lease);
    unsettled_.erase(said);
  }
  if (unsettled_.empty()) EndSession();
}

void GuardianModel::OnLastWordsEnd(const absl::Status& status) {
  stream_.reset();
  if (IsPassing(status)) return TryAgain();
  EndSession();
}

void GuardianModel::EndSession() {
  if (stream_ != nullptr) stream_->Cancel();
  stream_.reset();
  Later(kEndSessionMax, &GuardianModel::TryAgain);
  options_.dial->Call({&part_, options_.host},
                      {.request_id = "", .what = BuryCall{options_.journal->session}},
                      [this, number = step_](const CallAnswer& answer) {
                        if (number != step_) return;  // it was too late
                        if (IsPassing(answer.status)) return TryAgain();
                        if (answer.status.ok()) options_.journal->session.clear();
                        Finish();
                      });
}

void GuardianModel::TryAgain() {
  holds_lock_ = false;
  if (options_.world->now() >= give_up_at_) return Finish();
  Later(kTryAgain, &GuardianModel::Speak);
}

void GuardianModel::Finish() {
  options_.world->Note(part_.name(), "has nothing left to guard");
  const std::function<void()> done = done_;
  Die();
  if (done) done();
}

}  // namespace closewrite::simulation
