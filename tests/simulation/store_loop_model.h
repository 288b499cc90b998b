// A coordinator's store loop, as services/coordinator/store_loop.h has it, on simulated time.
#ifndef TESTS_SIMULATION_STORE_LOOP_MODEL_H_
#define TESTS_SIMULATION_STORE_LOOP_MODEL_H_

#include <deque>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/engine.h"
#include "tests/simulation/store_view.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// A commit that failed with ABORTED or UNAVAILABLE is run again so often, after a pause.
inline constexpr int kCommitTriesMax = 5;
inline constexpr absl::Duration kCommitPause = absl::Milliseconds(20);
// The loop looks at the clock, and at what other coordinators did, at least this often.
inline constexpr absl::Duration kTickInterval = absl::Seconds(1);

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
    std::function<void()> notify;              // other coordinators may want to look
    std::function<void()> crash;
    bool answer_before_commit = false;  // a planted bug
  };
  // None of the pointers is owned.
  explicit StoreLoopModel(Options options) : options_(std::move(options)) {}

  // Loads the engine, and goes on trying until it can.
  void Start();
  void Submit(Step step, Done done);
  // Another coordinator has told something.
  void OnNotice();
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
  absl::Status Apply(StoreTransaction& tx, bool everything, absl::Time now);
  void Finish(const absl::Status& committed);
  void Answer(const absl::Status& committed);
  bool Load();

  World& world() { return *options_.world; }

  const Options options_;
  std::deque<Command> queue_;
  std::deque<Command> taken_;
  bool loaded_ = false;
  bool busy_ = false;
  int tries_ = 0;
  bool noticed_ = true;
  absl::Duration looked_at_;  // when everything was caught up with last
  absl::Time wake_at_;
  int64_t wake_number_ = 0;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_STORE_LOOP_MODEL_H_
