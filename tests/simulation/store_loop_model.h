// A coordinator's store loop, as services/coordinator/store_loop.h has it, on simulated time.
#ifndef TESTS_SIMULATION_STORE_LOOP_MODEL_H_
#define TESTS_SIMULATION_STORE_LOOP_MODEL_H_

#include <deque>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/news.h"
#include "tests/simulation/store_view.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// As services/coordinator/store_loop.h has them.
inline constexpr absl::Duration kTickInterval = absl::Seconds(1);
inline constexpr absl::Duration kNoticePause = absl::Milliseconds(20);
inline constexpr absl::Duration kCommitRetryMax = absl::Seconds(30);
inline constexpr absl::Duration kCommitPauseMin = absl::Milliseconds(5);
inline constexpr absl::Duration kCommitPauseMax = absl::Milliseconds(500);
// Commits that nobody asked for, each right after the other; more are a loop that never rests.
inline constexpr int kRestlessCommitsMax = 30;

// Takes every waiting command, applies them in one transaction, commits, then answers all of them.
// Lives as long as its coordinator's process. Not thread-safe.
class StoreLoopModel {
 public:
  using Step = std::function<absl::Status(Engine&, StoreTransaction&, absl::Time now)>;
  using Done = std::function<void(const absl::Status&)>;

  struct Options {
    World* world = nullptr;
    Part* part = nullptr;
    StoreView* store = nullptr;
    Engine* engine = nullptr;
    std::function<void(const Effects&)> tell;  // after the answers of each commit
    std::function<void(const News&)> notify;   // to the other coordinators
    std::function<void()> crash;
    bool answer_before_commit = false;  // a planted bug
  };
  // None of the pointers is owned.
  explicit StoreLoopModel(Options options) : options_(std::move(options)) {}

  // Loads the engine, and goes on trying until it can.
  void Start();
  void Submit(Step step, Done done);
  // Another coordinator has told something.
  void OnNotice(const News& news);
  // Does something on the loop's process later.
  void After(absl::Duration delay, std::function<void()> action) {
    options_.part->After(delay, std::move(action));
  }

 private:
  struct Command {
    Step step;
    Done done;
    absl::Status status;
    bool answered = false;
  };

  void Wake();
  void WakeAfter(absl::Duration delay);
  void Begin();
  void Change(const CommitPlan& plan, absl::Time now);
  absl::Status Apply(StoreTransaction& tx, const News& news, absl::Time now);
  void Finish(const absl::Status& committed);
  void Repeat(const absl::Status& committed);
  void CountRestless();
  void Answer(const absl::Status& committed);
  bool Load();

  World& world() { return *options_.world; }

  const Options options_;
  std::deque<Command> queue_;
  std::deque<Command> taken_;
  bool loaded_ = false;
  bool busy_ = false;
  absl::Duration pause_ = kCommitPauseMin;
  absl::Time give_up_at_;
  int restless_commits_ = 0;
  bool stale_ = false;            // the next transaction loads the engine anew
  News news_ = News::Anything();  // to be caught up with
  absl::Time catch_up_at_;
  absl::Time caught_up_at_ = absl::InfinitePast();
  absl::Time polled_at_ = absl::InfinitePast();
  absl::Time wake_at_;
  int64_t wake_number_ = 0;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_STORE_LOOP_MODEL_H_
