// What may never be seen of tasks and their runs.
#ifndef TESTS_SIMULATION_TASK_CHECKER_H_
#define TESTS_SIMULATION_TASK_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/core/task.h"
#include "tests/simulation/messages.h"
#include "tests/simulation/watched_transaction.h"
#include "tests/simulation/world.h"

namespace closewrite::simulation {

// A task that is due is fired within this, when nothing is wrong.
inline constexpr absl::Duration kFireSlack = absl::Seconds(5);

// Its own, simple model of tasks: after each commit it knows which calls have come true, and so
// what is started and what was to be run. Calls World::Fail at the first breach. Not thread-safe.
class TaskChecker {
 public:
  // Not owned.
  explicit TaskChecker(World* world) : world_(*world) {}

  void OnAsked(const Call& call) { asked_[call.request_id] = call; }
  // `jobs`: those that were changed.
  void OnCommit(StoreReader& reader, const Changes& changes, const std::vector<Job>& jobs);
  // The command of a run.
  void OnStarted(const Job& run) { idle_.erase(run.input.path); }
  // Once a second. `quiet_since`: as Checker::Sample has it.
  void Sample(StoreReader& reader, absl::Duration quiet_since);

  // From now on, each task that is started is to run.
  void ExpectRuns();
  // One that did not yet; "" when none is left.
  std::string Idle() const;
  // All were stopped: nothing is started, or due.
  void Audit(StoreReader& reader);

  int64_t runs() const { return static_cast<int64_t>(runs_.size()); }

 private:
  // A task as the last commit has left it.
  struct Known {
    bool there = false;
    Task task;
    bool started = false;
    absl::Time seen = absl::InfinitePast();  // due times up to this one are dealt with
    std::set<absl::Time> fired;              // due times that were run
    std::set<JobId> unfinished;              // runs, those that are being cancelled too
    std::set<JobId> left;                    // of them: by a stop, which the next start outlives
  };
  // What one commit has done to one task.
  struct Step {
    std::vector<const Call*> calls;  // in their order
    std::vector<Job> changed;        // runs, by id
    std::set<JobId> retried;         // by a call
    std::vector<Task> definitions;   // that it had in the course of it
    // By what was called:
    int64_t by_hand = 0;         // runs that were asked for
    bool begins = false;         // its schedule begins anew
    bool stops = false;          // once at least
    bool stops_at_last = false;  // and nothing was asked for after that
    // By what happened:
    std::vector<Job> made;
    bool may_stop = false;  // it is not restarted after that
  };

  void Fail(std::string_view check, std::string_view name, std::string_view what);
  std::map<std::string, Step> StepsOf(const Changes& changes, const std::vector<Job>& jobs);
  void Take(StoreReader& reader, const std::string& name, Step step);
  void Follow(const Call& call, Known& known, Step& step);
  void FollowTask(TaskCall::Wish wish, Known& known, Step& step);
  void FollowRuns(const Known& known, Step& step);
  void CheckRow(const std::string& name, const std::optional<StoredTask>& row, const Step& step);
  void CheckMade(const std::string& name, const TaskState& state, const Step& step);
  void CheckFired(const std::string& name, const std::vector<absl::Time>& fired,
                  const TaskState& state, const Step& step);
  void CheckOverlap(StoreReader& reader, const std::string& name, const Step& step);
  void CheckCancelled(StoreReader& reader, const std::string& name, const Step& step);
  void CheckGoesOn(const std::string& name, const TaskState& state);

  World& world_;
  std::map<std::string, Call> asked_;   // by request id
  std::set<JobId> runs_;                // all that were ever seen
  std::map<std::string, Known> tasks_;  // those that are no more, too
  std::set<std::string> idle_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_TASK_CHECKER_H_
