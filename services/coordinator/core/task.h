// Tasks: named commands without a file, which run once, on a schedule, or for ever. Pure: what is
// due goes in and comes out as times; who makes the jobs is elsewhere.
//
// Each run is a job. A task's jobs form a line, as those of one file do, so no two of them run side
// by side.
#ifndef SERVICES_COORDINATOR_CORE_TASK_H_
#define SERVICES_COORDINATOR_CORE_TASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/pipeline.h"
#include "services/coordinator/core/schedule.h"

namespace closewrite {

// What becomes of a for-ever task whose command has ended.
enum class Restart { kAlways, kOnFailure, kNever };
// What becomes of a run that is due while another of the task waits or runs.
enum class Overlap { kSkip, kQueue, kReplace };

// A for-ever task that ended badly so many times in a row is said to crash in a loop. It goes on.
inline constexpr int kCrashLoopAfter = 5;
// A command that ran for so long is not one that crashes at its start: counting begins anew.
inline constexpr absl::Duration kRanWell = absl::Minutes(10);
// A due time that is older than this when it is looked at is not run, unless `catch_up` wants it.
inline constexpr absl::Duration kOnTime = absl::Minutes(1);
// Runs that `catch_up: all` makes at most.
inline constexpr int kCatchUpMax = 100;

struct Task {
  std::string name;
  // How a run is run; its name is RunsOf(name), its volume "". Of a for-ever task the pause between
  // runs is that of its retry policy. Version and definition are the task's.
  Pipeline run;
  bool forever = false;
  Restart restart = Restart::kAlways;
  std::optional<Schedule> schedule;  // nullopt: by hand, or for ever
  absl::Duration jitter;             // see Jitter
  Overlap overlap = Overlap::kSkip;
  CatchUp catch_up = CatchUp::kNone;
  int catch_up_max = 1;  // of kAll
};

// What is kept of a task beside its definition.
struct TaskState {
  bool started = false;
  absl::Time seen = absl::InfinitePast();      // due times up to this one are dealt with
  absl::Time due_at = absl::InfiniteFuture();  // when it is to be looked at next
  int64_t runs = 0;                            // made so far
  int failures = 0;                            // runs that failed, in a row
  JobId last;                                  // the newest run
  bool operator==(const TaskState&) const = default;
};

// The name that the jobs of a task go by, which no pipeline can have: "task/NAME".
std::string RunsOf(std::string_view task);
// The task of such a name; nullopt for a pipeline's.
std::optional<std::string_view> TaskOfRuns(std::string_view name);

// It is started, or its definition was changed while it was. What was due before is forgotten.
TaskState StartTask(const Task& task, TaskState state, absl::Time now);
// Nothing is due any more. Runs that are there are the caller's to cancel.
TaskState StopTask(TaskState state);

struct Firing {
  TaskState state;
  // Runs to be made, the oldest first; when each was due.
  std::vector<absl::Time> due;
};
// What is to be run at `now`. A for-ever task runs unless one of its runs is `unfinished`.
Firing FireTask(const Task& task, TaskState state, absl::Time now, bool unfinished);

// The newest run has ended; `jitter` in [0, 1). Of a for-ever task: it restarts after a pause that
// doubles with each failure in a row, or not at all.
TaskState EndRun(const Task& task, TaskState state, const Job& run, absl::Time now, double jitter);

inline bool CrashesInALoop(const Task& task, const TaskState& state) {
  return task.forever && state.failures >= kCrashLoopAfter;
}

// The next `count` times at which it runs, for people; as if it was started now when it is not.
std::vector<absl::Time> NextTimes(const Task& task, const TaskState& state, absl::Time now,
                                  int count);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_TASK_H_
