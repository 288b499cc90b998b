#include "services/coordinator/core/task.h"

#include <algorithm>

#include "services/coordinator/core/job_rules.h"

namespace closewrite {
namespace {

constexpr std::string_view kRuns = "task/";

// When the first due time after `seen` is to be looked at.
absl::Time NextLook(const Task& task, absl::Time seen) {
  if (!task.schedule.has_value()) return absl::InfiniteFuture();
  const std::optional<absl::Time> due = NextDue(*task.schedule, seen);
  return due.has_value() ? *due + Jitter(task.name, task.jitter) : absl::InfiniteFuture();
}

bool Restarts(const Task& task, JobState ended) {
  switch (task.restart) {
    case Restart::kAlways:
      return true;
    case Restart::kOnFailure:
      // Who cancels a run and means the task stops the task.
      return ended != JobState::kSucceeded;
    case Restart::kNever:
      return false;
  }
  return false;
}

}  // namespace

std::string RunsOf(std::string_view task) { return std::string(kRuns).append(task); }

std::optional<std::string_view> TaskOfRuns(std::string_view name) {
  if (name.substr(0, kRuns.size()) != kRuns) return std::nullopt;
  return name.substr(kRuns.size());
}

TaskState StartTask(const Task& task, TaskState state, absl::Time now) {
  state.started = true;
  // A transaction may have begun before another one that fired, and be later all the same.
  state.seen = std::max(state.seen, now);
  state.failures = 0;
  state.due_at = task.forever ? now : NextLook(task, state.seen);
  return state;
}

TaskState StopTask(TaskState state) {
  state.started = false;
  state.due_at = absl::InfiniteFuture();
  return state;
}

Firing FireTask(const Task& task, TaskState state, absl::Time now, bool unfinished) {
  Firing firing{state, {}};
  if (!firing.state.started || firing.state.due_at > now) return firing;
  firing.state.due_at = absl::InfiniteFuture();
  if (task.forever) {
    if (!unfinished) firing.due.push_back(now);
    return firing;
  }
  if (!task.schedule.has_value()) return firing;
  const absl::Time until = now - Jitter(task.name, task.jitter);
  if (until > firing.state.seen) {
    firing.due = DueNow(*task.schedule, firing.state.seen, until, task.catch_up, kOnTime,
                        static_cast<size_t>(task.catch_up_max));
    firing.state.seen = until;
  }
  firing.state.due_at = NextLook(task, firing.state.seen);
  return firing;
}

TaskState EndRun(const Task& task, TaskState state, const Job& run, absl::Time now, double jitter) {
  const bool ran_well = run.started_at != absl::InfinitePast() && now - run.started_at >= kRanWell;
  if (run.state == JobState::kFailed) {
    state.failures = ran_well ? 1 : state.failures + 1;
  } else {
    state.failures = 0;
  }
  if (!task.forever || !state.started) return state;
  if (!Restarts(task, run.state)) return StopTask(state);
  state.due_at = now + BackoffAfter(task.run.retry, std::max(1, state.failures), jitter);
  return state;
}

std::vector<absl::Time> NextTimes(const Task& task, const TaskState& state, absl::Time now,
                                  int count) {
  std::vector<absl::Time> times;
  if (!task.schedule.has_value()) return times;
  absl::Time due = state.started ? state.seen : now;
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Time> next = NextDue(*task.schedule, due);
    if (!next.has_value()) break;
    due = *next;
    times.push_back(due + Jitter(task.name, task.jitter));
  }
  return times;
}

}  // namespace closewrite
