#include "tests/simulation/store_loop_model.h"

#include <algorithm>
#include <utility>

namespace closewrite::simulation {

void StoreLoopModel::Start() {
  loaded_ = Load();
  if (!loaded_) {
    options_.part->After(absl::Milliseconds(200), [this] { Start(); });
    return;
  }
  wake_at_ = catch_up_at_ = world().time();
  Wake();
}

void StoreLoopModel::Submit(Step step, Done done) {
  queue_.push_back({std::move(step), std::move(done), absl::OkStatus()});
  Wake();
}

void StoreLoopModel::OnNotice(const News& news) {
  news_.Add(news);
  catch_up_at_ = std::min(catch_up_at_, caught_up_at_ + kNoticePause);
  wake_at_ = std::min(wake_at_, catch_up_at_);
  Wake();
}

void StoreLoopModel::Wake() {
  if (!loaded_ || busy_) return;
  if (!queue_.empty() || world().time() >= wake_at_) return Begin();
  WakeAfter(std::min(wake_at_ - world().time(), kTickInterval));
}

void StoreLoopModel::WakeAfter(absl::Duration delay) {
  options_.part->After(delay, [this, number = ++wake_number_] {
    if (number != wake_number_ || busy_) return;
    wake_at_ = world().time();
    Wake();
  });
}

void StoreLoopModel::Begin() {
  busy_ = true;
  if (taken_.empty()) {
    taken_.swap(queue_);
    pause_ = kCommitPauseMin;
    give_up_at_ = world().time() + kCommitRetryMax;
  }
  const CommitPlan plan = options_.store->disk().Plan();
  // All times of a transaction are that of its begin.
  options_.part->After(plan.before, [this, plan, now = world().time()] { Change(plan, now); });
}

bool StoreLoopModel::Load() {
  absl::Status loaded;
  const absl::Status read = options_.store->Read([&](StoreReader& reader) {
    loaded = options_.engine->Load(reader, world().time());
    return absl::OkStatus();
  });
  if (!loaded.ok()) world().Fail("load", std::string(loaded.message()));
  return read.ok() && loaded.ok();
}

absl::Status StoreLoopModel::Apply(StoreTransaction& tx, const News& news, absl::Time now) {
  Engine& engine = *options_.engine;
  if (stale_) {
    if (absl::Status s = engine.Load(tx, now); !s.ok()) return s;
  }
  if (absl::Status s = engine.CatchUp(tx, news, now); !s.ok()) return s;
  for (Command& command : taken_) command.status = command.step(engine, tx, now);
  wake_at_ = engine.Tick(tx, now);
  if (!options_.answer_before_commit) return absl::OkStatus();
  for (Command& command : taken_) {
    if (!command.answered) command.done(command.status);
    command.answered = true;
  }
  return absl::OkStatus();
}

void StoreLoopModel::Change(const CommitPlan& plan, absl::Time now) {
  using Crash = CommitPlan::Crash;
  if (plan.crash == Crash::kBeforeChange) return options_.crash();
  const bool poll = now >= polled_at_ + kTickInterval;
  if (poll) news_ = News::Anything();
  const bool catch_up = poll || now >= catch_up_at_;
  const absl::Status committed = options_.store->Write(
      plan.fate, [&](StoreTransaction& tx) { return Apply(tx, catch_up ? news_ : News(), now); });
  world().Note(options_.part->name(), "commits $0 commands: $d",
               {static_cast<int64_t>(taken_.size())}, committed.ok() ? "done" : "failed");
  stale_ = !committed.ok();
  if (plan.crash == Crash::kAfterChange) return options_.crash();
  if (committed.ok() && catch_up) {
    news_ = News();
    caught_up_at_ = now;
    if (poll) polled_at_ = now;
    catch_up_at_ = polled_at_ + kTickInterval;
  }
  if (options_.store->shared()) wake_at_ = std::min(wake_at_, catch_up_at_);
  options_.part->After(plan.after, [this, committed] { Finish(committed); });
}

void StoreLoopModel::Answer(const absl::Status& committed) {
  std::deque<Command> answered;
  answered.swap(taken_);
  for (Command& command : answered) {
    if (!command.answered) command.done(committed.ok() ? command.status : committed);
  }
}

void StoreLoopModel::Finish(const absl::Status& committed) {
  if (!committed.ok()) return Repeat(committed);
  busy_ = false;
  CountRestless();
  // Answers first: a session must be known to its stream before its first lease is sent.
  Answer(committed);
  const Effects effects = options_.engine->TakeEffects();
  if (!effects.empty()) {
    options_.tell(effects);
    const News news = options_.engine->NewsOf(effects);
    if (options_.store->shared() && !news.empty()) options_.notify(news);
  }
  Wake();
}

void StoreLoopModel::CountRestless() {
  const bool rests = !taken_.empty() || world().time() < wake_at_;
  restless_commits_ = rests ? 0 : restless_commits_ + 1;
  if (restless_commits_ <= kRestlessCommitsMax) return;
  world().Fail("restless", options_.part->name() + " commits again and again, with nothing to do");
}

// What is in memory may be ahead of the store now.
void StoreLoopModel::Repeat(const absl::Status& committed) {
  news_ = News::Anything();
  catch_up_at_ = world().time();
  const bool again =
      absl::IsAborted(committed) || (absl::IsUnavailable(committed) && options_.store->shared());
  if (!again || world().time() >= give_up_at_) {
    busy_ = false;
    wake_at_ = world().time() + kTickInterval;
    Answer(committed);
    return Wake();
  }
  options_.part->After(pause_, [this] { Begin(); });
  pause_ = std::min(pause_ * 2, kCommitPauseMax);
}

}  // namespace closewrite::simulation
