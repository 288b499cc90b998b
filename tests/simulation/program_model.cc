#include "tests/simulation/program_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/scenario.h"

namespace closewrite::simulation {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(200);
// A session that is not heard of has ended so long after its time to live.
constexpr absl::Duration kForgottenSlack = absl::Seconds(15);
constexpr double kCrash = 0.15;  // of each claim
constexpr double kFreeze = 0.15;

}  // namespace

ProgramModel::ProgramModel(Options options)
    : options_(std::move(options)),
      process_(options_.world, options_.name),
      keeper_(options_.world, options_.name + " keeper"),
      host_(options_.network->AddHost()) {}

void ProgramModel::Start() {
  wanted_ = true;
  Rest();
}

// A call that is still on its way may ask again for what was given back: that claim goes when its
// session does.
void ProgramModel::Rest() {
  if (!session_.empty()) {
    forgotten_at_ = world().now() + options_.session_ttl + kForgottenSlack;
  }
  session_.clear();
  process_.Start();
  keeper_.Start();
  if (!wanted_) return;
  process_.After(random().Pause(1), [this] {
    if (wanted_) Begin();
  });
}

void ProgramModel::Begin() {
  session_ = absl::StrCat(options_.name, "-", ++number_);
  lock_ = kLocks[random().Below(std::size(kLocks))];
  priority_ = random().Chance(0.2) ? static_cast<int>(random().Between(-1, 2)) : 0;
  giving_back_ = false;
  deadline_ = absl::ZeroDuration();
  world().Note(process_.name(), "asks for lock $d", {}, lock_);
  Talk();
  if (random().Chance(kCrash + kFreeze)) {
    process_.After(random().Between(absl::ZeroDuration(), absl::Seconds(5)),
                   [this, session = session_] {
                     if (session == session_) Suffer();
                   });
  }
}

void ProgramModel::Call(LockCall::Wish wish, std::function<void(const CallAnswer&)> done) {
  options_.dial->Call({&process_, host_},
                      {.request_id = "", .what = LockCall{wish, lock_, session_, priority_}},
                      [this, session = session_, done = std::move(done)](const CallAnswer& answer) {
                        if (session == session_ && process_.up()) done(answer);
                      });
}

// Asks, or renews, and looks.
void ProgramModel::Talk() {
  if (giving_back_) return GiveBack();
  Call(LockCall::Wish::kAsk,
       [this, sent = world().now()](const CallAnswer& answer) { OnAnswer(sent, answer); });
  process_.After(kLookAgain, [this, session = session_] {
    if (session == session_) Talk();
  });
}

void ProgramModel::OnAnswer(absl::Duration sent, const CallAnswer& answer) {
  if (!answer.status.ok() || giving_back_) return;
  deadline_ = std::max(deadline_, sent + options_.session_ttl * 2 / 3);
  keeper_.After(deadline_ - world().now(), [this] { KeepTime(); });
  const bool held = answer.claim.has_value() && answer.claim->held();
  if (using_ && !held) return Unuse();  // it was taken away
  if (held && !using_ && world().now() < deadline_) Use();
}

void ProgramModel::Use() {
  using_ = true;
  options_.witness->OnUse(session_, lock_, &keeper_);
  keeper_.After(random().Between(absl::ZeroDuration(), absl::Seconds(4)),
                [this, session = session_] {
                  if (session == session_) Unuse();
                });
}

void ProgramModel::Unuse() {
  if (!using_) return;
  using_ = false;
  options_.witness->OnUnused(session_);
  giving_back_ = true;
}

void ProgramModel::KeepTime() {
  if (options_.plant == Plant::kOutliveLock) return;
  if (world().now() >= deadline_) Unuse();
}

void ProgramModel::GiveBack() {
  Call(LockCall::Wish::kRelease, [this](const CallAnswer& answer) {
    if (answer.status.ok()) Rest();
  });
  process_.After(kLookAgain, [this, session = session_] {
    if (session == session_) Talk();
  });
}

void ProgramModel::Suffer() {
  if (random().Chance(kCrash / (kCrash + kFreeze))) return Crash();
  const absl::Duration pause = random().Between(absl::ZeroDuration(), options_.session_ttl * 2);
  world().Note(process_.name(), "freezes for $0 ms", {absl::ToInt64Milliseconds(pause)});
  process_.FreezeUntil(world().now() + pause);
  if (random().Chance(0.5)) keeper_.FreezeUntil(world().now() + pause);
}

// The command dies with it.
void ProgramModel::Crash() {
  world().Note(process_.name(), "crashes");
  Unuse();
  process_.Crash();
  keeper_.Crash();
  options_.network->Died(process_);
  Rest();
}

std::string ProgramModel::Busy() const {
  if (!session_.empty()) return absl::StrCat("it uses lock ", lock_, " or waits for it");
  if (options_.world->now() < forgotten_at_) return "a session that it left behind may live";
  return "";
}

}  // namespace closewrite::simulation
