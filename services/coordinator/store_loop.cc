#include "services/coordinator/store_loop.h"

#include <algorithm>
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
    loaded = engine_.Load(reader, clock_.Now());
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (!loaded.ok()) return loaded;
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void StoreLoop::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  std::deque<Command> left;
  {
    absl::MutexLock lock(&mutex_);
    left.swap(queue_);
  }
  for (Command& command : left) command.done(absl::UnavailableError("the coordinator is stopping"));
}

void StoreLoop::Submit(Step step, Done done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the coordinator is stopping");
    } else if (queue_.size() >= kQueuedCommandsMax) {
      refused =
          absl::ResourceExhaustedError("too many commands wait for the store: try again later");
    } else {
      queue_.push_back(Command{std::move(step), std::move(done), absl::OkStatus()});
    }
  }
  if (!refused.ok()) done(refused);
}

void StoreLoop::Inspect(absl::FunctionRef<void(const Engine&)> fn) {
  absl::MutexLock lock(&engine_mutex_);
  fn(engine_);
}

std::deque<StoreLoop::Command> StoreLoop::TakeCommands(absl::Time wake_at) {
  const absl::Duration patience = std::min(wake_at - clock_.Now(), kTickInterval);
  const auto ready = [this] {
    mutex_.AssertHeld();
    return stopping_ || !queue_.empty();
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&ready), std::max(patience, absl::ZeroDuration()));
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

absl::Status StoreLoop::Commit(std::deque<Command>& commands, absl::Time now, absl::Time* wake_at) {
  absl::Status committed = store_.Write([&](StoreTransaction& tx) {
    absl::MutexLock lock(&engine_mutex_);
    for (Command& command : commands) command.status = command.step(engine_, tx, now);
    *wake_at = engine_.Tick(tx, now);
    return absl::OkStatus();
  });
  if (committed.ok()) return committed;
  LogError("the store refused a commit; nothing of it was kept", {{"error", committed.ToString()}});
  // What is in memory may be ahead of the store now.
  absl::Status reloaded = store_.Read([&](StoreReader& reader) {
    absl::MutexLock lock(&engine_mutex_);
    return engine_.Load(reader, now);
  });
  if (!reloaded.ok()) LogError("the store can't be read", {{"error", reloaded.ToString()}});
  *wake_at = now + kTickInterval;
  return committed;
}

void StoreLoop::Run() {
  absl::Time wake_at = clock_.Now();
  for (;;) {
    std::deque<Command> commands = TakeCommands(wake_at);
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_ && commands.empty()) return;
    }
    const absl::Status committed = Commit(commands, clock_.Now(), &wake_at);
    // Answers first: a session must be known to its stream before its first lease is sent.
    for (Command& command : commands) command.done(committed.ok() ? command.status : committed);
    if (!committed.ok()) continue;
    Effects effects;
    {
      absl::MutexLock lock(&engine_mutex_);
      effects = engine_.TakeEffects();
    }
    if (!effects.empty()) feed_.Tell(effects);
  }
}

}  // namespace closewrite
