// The one loop that changes the store: it takes every waiting command, applies them in one
// transaction, commits, then answers all of them. So one fsync serves many callers, and nothing is
// answered before it is durable.
#ifndef SERVICES_COORDINATOR_STORE_LOOP_H_
#define SERVICES_COORDINATOR_STORE_LOOP_H_

#include <deque>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/clock/clock.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/news.h"
#include "services/coordinator/core/store.h"

namespace closewrite {

// Commands that may wait; past that callers are told RESOURCE_EXHAUSTED.
inline constexpr size_t kQueuedCommandsMax = 65536;
// Commands in one commit.
inline constexpr size_t kCommandsPerCommitMax = 4096;
// The loop looks at the clock at least this often, and at what other coordinators have changed.
inline constexpr absl::Duration kTickInterval = absl::Seconds(1);
// Notices of others are heeded at most this often.
inline constexpr absl::Duration kNoticePause = absl::Milliseconds(20);
// A commit of a shared store that did not succeed is tried again for so long, with pauses that
// double; its commands wait meanwhile.
inline constexpr absl::Duration kCommitRetryMax = absl::Seconds(30);
inline constexpr absl::Duration kCommitPauseMin = absl::Milliseconds(5);
inline constexpr absl::Duration kCommitPauseMax = absl::Milliseconds(500);

// Thread-safe.
class StoreLoop {
 public:
  // Applies one command. An error that it returns is the answer of this command alone; it must then
  // have written nothing. May be called again, when a commit has to be repeated: what it leaves
  // outside of the engine must then be what the last call leaves.
  using Step = absl::AnyInvocable<absl::Status(Engine&, StoreTransaction&, absl::Time now)>;
  // Called once, on the loop's thread, after the commit: with the step's status, or with that of a
  // commit that failed. Must be quick.
  using Done = absl::AnyInvocable<void(const absl::Status&)>;
  // A commit as it went, or a try of one.
  struct CommitReport {
    size_t commands = 0;  // 0: the loop did what was due
    absl::Duration took;
    bool ok = false;
  };

  // None is owned; all must outlive the loop.
  StoreLoop(Store* store, Engine* engine, ChangeFeed* feed, const Clock* clock);
  ~StoreLoop();

  // Called on the loop's thread with each commit, before it is answered. Must be quick. Set before
  // Start.
  void SetOnCommit(std::function<void(const CommitReport&)> fn) { on_commit_ = std::move(fn); }

  // Loads the engine from the store and starts the thread.
  absl::Status Start();
  // From now on a commit that fails is not tried again: it ends the loop, and all that waits is
  // answered with UNAVAILABLE. So nobody waits long for a store that can't be written just now.
  void EndSoon();
  // Answers what is queued with UNAVAILABLE and stops. May be called any number of times.
  void Shutdown();

  // `expected`: what the step is about to read, as far as that is known.
  void Submit(Step step, Done done, Expected expected = {});
  // The same for callers that may block: returns what Done would be told. Not for the loop's own
  // thread.
  absl::Status Do(Step step);

  // Looks at the engine between two commands. `fn` must be quick.
  void Inspect(absl::FunctionRef<void(const Engine&)> fn);

  // Commands that wait for a commit to begin.
  size_t waiting();

  Store& store() { return store_; }
  const Clock& clock() const { return clock_; }

 private:
  struct Command {
    Step step;
    Done done;
    Expected expected;
    absl::Status status;
  };

  void Run();
  std::deque<Command> TakeCommands();
  bool Stopping();
  bool Ending();
  // Answers all that is queued, and whatever comes, with UNAVAILABLE.
  void RefuseAll();
  absl::Status Commit(std::deque<Command>& commands);
  absl::Status TryCommit(std::deque<Command>& commands);
  absl::Status CommitOnce(std::deque<Command>& commands);
  void Tell(const Effects& effects);
  void OnNotice(std::string_view notice);

  Store& store_;
  Engine& engine_;
  ChangeFeed& feed_;
  const Clock& clock_;
  std::function<void(const CommitReport&)> on_commit_;

  absl::Mutex engine_mutex_;  // taken after no other
  absl::Mutex mutex_;
  std::deque<Command> queue_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;  // then it is ending as well
  News heard_ ABSL_GUARDED_BY(mutex_);             // from other coordinators
  // Of the loop's thread; times are those of the local clock.
  bool stale_ = false;  // memory is to be loaded anew, by the next transaction
  absl::Time wake_at_;
  News news_;  // to be caught up with
  absl::Time catch_up_at_;
  absl::Time caught_up_at_ = absl::InfinitePast();
  absl::Time polled_at_ = absl::InfinitePast();  // caught up with everything
  std::thread thread_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_LOOP_H_
