#include "services/coordinator/store_loop.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "services/log/log.h"

namespace closewrite {

StoreLoop::StoreLoop(Store* store, Engine* engine, ChangeFeed* feed, const Clock* clock)
    : store_(*store), engine_(*engine), feed_(*feed), clock_(*clock) {}

StoreLoop::~StoreLoop() { Shutdown(); }

absl::Status StoreLoop::Start() {
  absl::Status loaded;
  absl::Status read = store_.Read([&](StoreReader& reader) {
    absl::MutexLock lock(&engine_mutex_);
    loaded = engine_.Load(reader, reader.Now(clock_.Now()));
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (!loaded.ok()) return loaded;
  if (store_.shared()) store_.Listen([this](std::string_view notice) { OnNotice(notice); });
  wake_at_ = catch_up_at_ = clock_.Now();
  news_ = News::Anything();
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void StoreLoop::EndSoon() {
  store_.EndSoon();
  absl::MutexLock lock(&mutex_);
  ending_ = true;
}

void StoreLoop::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  if (store_.shared()) store_.Listen(nullptr);
  RefuseAll();
}

void StoreLoop::RefuseAll() {
  std::deque<Command> left;
  {
    absl::MutexLock lock(&mutex_);
    ending_ = stopping_ = true;
    left.swap(queue_);
  }
  for (Command& command : left) command.done(absl::UnavailableError("the coordinator is stopping"));
}

void StoreLoop::Submit(Step step, Done done, Expected expected) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the coordinator is stopping");
    } else if (queue_.size() >= kQueuedCommandsMax) {
      refused =
          absl::ResourceExhaustedError("too many commands wait for the store: try again later");
    } else {
      queue_.push_back(
          Command{std::move(step), std::move(done), std::move(expected), absl::OkStatus()});
    }
  }
  if (!refused.ok()) done(refused);
}

absl::Status StoreLoop::Do(Step step) {
  struct Answer {
    absl::Mutex mutex;
    bool done ABSL_GUARDED_BY(mutex) = false;
    absl::Status status ABSL_GUARDED_BY(mutex);
  };
  const auto answer = std::make_shared<Answer>();
  Submit(std::move(step), [answer](const absl::Status& status) {
    absl::MutexLock lock(&answer->mutex);
    answer->status = status;
    answer->done = true;
  });
  absl::MutexLock lock(&answer->mutex);
  answer->mutex.Await(absl::Condition(&answer->done));
  return answer->status;
}

void StoreLoop::Inspect(absl::FunctionRef<void(const Engine&)> fn) {
  absl::MutexLock lock(&engine_mutex_);
  fn(engine_);
}

size_t StoreLoop::waiting() {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void StoreLoop::OnNotice(std::string_view notice) {
  const News news = DecodeNews(notice);
  absl::MutexLock lock(&mutex_);
  heard_.Add(news);
}

bool StoreLoop::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

bool StoreLoop::Ending() {
  absl::MutexLock lock(&mutex_);
  return ending_;
}

std::deque<StoreLoop::Command> StoreLoop::TakeCommands() {
  const absl::Time now = clock_.Now();
  const absl::Duration patience = std::min(wake_at_ - now, kTickInterval);
  const auto ready = [this] {
    mutex_.AssertHeld();
    return stopping_ || !heard_.empty() || !queue_.empty();
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&ready), std::max(patience, absl::ZeroDuration()));
  if (!heard_.empty()) {
    news_.Add(std::exchange(heard_, News()));
    catch_up_at_ = std::min(catch_up_at_, caught_up_at_ + kNoticePause);
    wake_at_ = std::min(wake_at_, catch_up_at_);
  }
  std::deque<Command> commands;
  if (queue_.size() <= kCommandsPerCommitMax) {
    commands.swap(queue_);
  } else {
    auto end = queue_.begin() + kCommandsPerCommitMax;
    commands.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
    queue_.erase(queue_.begin(), end);
  }
  return commands;
}

absl::Status StoreLoop::TryCommit(std::deque<Command>& commands) {
  if (!on_commit_) return CommitOnce(commands);
  const absl::Duration began = SinceBoot();
  absl::Status committed = CommitOnce(commands);
  on_commit_({.commands = commands.size(), .took = SinceBoot() - began, .ok = committed.ok()});
  return committed;
}

absl::Status StoreLoop::CommitOnce(std::deque<Command>& commands) {
  const absl::Time local = clock_.Now();
  // Whatever notices come: they may be lost, and need not tell all.
  const bool poll = local >= polled_at_ + kTickInterval;
  if (poll) news_ = News::Anything();
  const bool catch_up = poll || local >= catch_up_at_;
  Expected expected;
  for (const Command& command : commands) expected.Add(command.expected);
  absl::Status committed = store_.Write([&](StoreTransaction& tx) {
    const absl::Time now = tx.Now(local);
    absl::MutexLock lock(&engine_mutex_);
    if (stale_) {
      if (absl::Status s = engine_.Load(tx, now); !s.ok()) return s;
    }
    if (store_.shared()) engine_.AddWhatIsRead(expected);
    tx.Expect(expected);
    if (absl::Status s = engine_.CatchUp(tx, catch_up ? news_ : News(), now); !s.ok()) return s;
    for (Command& command : commands) command.status = command.step(engine_, tx, now);
    wake_at_ = local + (engine_.Tick(tx, now) - now);
    return absl::OkStatus();
  });
  // What is in memory may be ahead of the store after a commit that failed.
  stale_ = !committed.ok();
  if (stale_) news_ = News::Anything();
  if (committed.ok() && catch_up) {
    news_ = News();
    caught_up_at_ = local;
    if (poll) polled_at_ = local;
    catch_up_at_ = polled_at_ + kTickInterval;
  }
  if (store_.shared()) wake_at_ = std::min(wake_at_, catch_up_at_);
  return committed;
}

absl::Status StoreLoop::Commit(std::deque<Command>& commands) {
  const absl::Time give_up_at = clock_.Now() + kCommitRetryMax;
  absl::Duration pause = kCommitPauseMin;
  for (;;) {
    absl::Status committed = TryCommit(commands);
    if (committed.ok()) return committed;
    catch_up_at_ = clock_.Now();
    const bool again =
        absl::IsAborted(committed) || (absl::IsUnavailable(committed) && store_.shared());
    if (!again || clock_.Now() >= give_up_at || Ending()) {
      LogError("the store refused a commit; nothing of it was kept",
               {{"error", committed.ToString()}});
      wake_at_ = clock_.Now() + kTickInterval;
      return committed;
    }
    LogWarn("a commit is tried again", {{"error", committed.ToString()}});
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&ending_), pause);
    pause = std::min(pause * 2, kCommitPauseMax);
  }
}

void StoreLoop::Run() {
  for (;;) {
    std::deque<Command> commands = TakeCommands();
    if (commands.empty() && Stopping()) return;
    if (commands.empty() && clock_.Now() < wake_at_) continue;
    const absl::Status committed = Commit(commands);
    // Answers first: a session must be known to its stream before its first lease is sent.
    for (Command& command : commands) command.done(committed.ok() ? command.status : committed);
    if (!committed.ok() && Ending()) return RefuseAll();
    if (!committed.ok()) continue;
    Effects effects;
    {
      absl::MutexLock lock(&engine_mutex_);
      effects = engine_.TakeEffects();
    }
    if (!effects.empty()) Tell(effects);
  }
}

void StoreLoop::Tell(const Effects& effects) {
  feed_.Tell(effects);
  if (!store_.shared()) return;
  News news;
  Inspect([&](const Engine& engine) { news = engine.NewsOf(effects); });
  if (!news.empty()) store_.Notify(EncodeNews(news, kNoticeBytesMax));
}

}  // namespace closewrite
