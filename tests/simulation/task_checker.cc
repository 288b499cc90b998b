#include "tests/simulation/task_checker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/task_book.h"

namespace closewrite::simulation {
namespace {

// One that runs by hand may be started, of an earlier definition; that means nothing.
bool RunsByItself(const Task& task) { return task.forever || task.schedule.has_value(); }

absl::Duration PeriodOf(const Task& task) {
  return absl::Seconds(std::get<Period>(task.schedule->rule).count);
}

// Of a periodic task.
absl::Time FirstDueAfter(const Task& task, absl::Time after) {
  const absl::Time start = absl::FromCivil(task.schedule->start, task.schedule->zone);
  return start + absl::Floor(after - start, PeriodOf(task)) + PeriodOf(task);
}

// Whether the schedule made it: nobody asks by hand at such a nanosecond.
bool IsFired(const Task& task, const Job& run) {
  return task.schedule.has_value() &&
         FirstDueAfter(task, run.due_at - absl::Nanoseconds(1)) == run.due_at;
}

// What is to be run of what was due after `seen` and not after `until`, as core/schedule.h says.
std::vector<absl::Time> DueBetween(const Task& task, absl::Time seen, absl::Time until) {
  std::vector<absl::Time> times;
  for (absl::Time due = FirstDueAfter(task, seen); due <= until; due += PeriodOf(task)) {
    if (task.catch_up != CatchUp::kNone || due >= until - kOnTime) times.push_back(due);
  }
  const int64_t max = task.catch_up == CatchUp::kAll ? task.catch_up_max : 1;
  if (static_cast<int64_t>(times.size()) > max) times.erase(times.begin(), times.end() - max);
  return times;
}

std::string_view NameOf(const Call& call) {
  const auto* const task = std::get_if<TaskCall>(&call.what);
  if (task == nullptr) return "applies";
  switch (task->wish) {
    case TaskCall::Wish::kStart:
      return "starts";
    case TaskCall::Wish::kStop:
      return "stops";
    case TaskCall::Wish::kRemove:
      return "removes";
    case TaskCall::Wish::kRun:
      return "runs";
  }
  return "";
}

std::string Show(const std::vector<absl::Time>& times) {
  return absl::StrJoin(times, ", ", [](std::string* out, absl::Time time) {
    absl::StrAppend(out, absl::FormatTime("%H:%M:%E3S", time, absl::UTCTimeZone()));
  });
}

// Whether the end of a run is the end of its for-ever task.
bool Stops(const Task& task, const Job& run) {
  return (task.restart == Restart::kNever && IsFinal(run.state)) ||
         (task.restart == Restart::kOnFailure && run.state == JobState::kSucceeded);
}

}  // namespace

void TaskChecker::Fail(std::string_view check, std::string_view name, std::string_view what) {
  world_.Fail(check, std::string("task ").append(name).append(" ").append(what));
}

std::map<std::string, TaskChecker::Step> TaskChecker::StepsOf(const Changes& changes,
                                                              const std::vector<Job>& jobs) {
  std::map<std::string, Step> steps;
  for (const std::string& name : changes.tasks) steps[name];
  for (const Job& job : jobs) {
    const auto name = TaskOfRuns(job.pipeline);
    if (!name.has_value()) continue;
    if (!job.input.volume.empty() || job.input.path != *name) {
      Fail("line", *name, absl::StrCat("has job ", job.id.value, ", which is about a file"));
    }
    steps[std::string(*name)].changed.push_back(job);
  }
  for (const std::string& request : changes.requests) {
    const Call& call = asked_.at(request);
    if (const auto* apply = std::get_if<ApplyTaskCall>(&call.what)) {
      steps[apply->task.name].calls.push_back(&call);
    } else if (const auto* task = std::get_if<TaskCall>(&call.what)) {
      steps[task->task].calls.push_back(&call);
    } else if (const auto* retry = std::get_if<RetryCall>(&call.what)) {
      for (auto& [name, step] : steps) {
        const bool is_its = std::any_of(step.changed.begin(), step.changed.end(),
                                        [&](const Job& run) { return run.id == retry->job; });
        if (is_its) step.retried.insert(retry->job);
      }
    }
  }
  return steps;
}

void TaskChecker::OnCommit(StoreReader& reader, const Changes& changes,
                           const std::vector<Job>& jobs) {
  for (auto& [name, step] : StepsOf(changes, jobs)) Take(reader, name, std::move(step));
}

void TaskChecker::Take(StoreReader& reader, const std::string& name, Step step) {
  Known& known = tasks_[name];
  step.definitions.push_back(known.task);
  for (const Call* call : step.calls) {
    world_.Note(NameOf(*call), "task $d", {}, name);
    Follow(*call, known, step);
  }
  FollowRuns(known, step);
  const std::optional<StoredTask> row = reader.GetTask(name);
  CheckRow(name, row, step);
  const TaskState state = row.value_or(StoredTask{}).state;
  CheckMade(name, state, step);
  CheckOverlap(reader, name, step);
  CheckCancelled(reader, name, step);
  for (const Job& run : step.changed) {
    if (!run.cancelling) known.left.erase(run.id);
    if (IsFinal(run.state)) {
      known.unfinished.erase(run.id);
    } else {
      known.unfinished.insert(run.id);
    }
  }
  known.started = state.started;
  known.seen = state.seen;
  CheckGoesOn(name, state);
}

void TaskChecker::Follow(const Call& call, Known& known, Step& step) {
  step.stops_at_last = false;
  if (const auto* task = std::get_if<TaskCall>(&call.what)) {
    return FollowTask(task->wish, known, step);
  }
  const Task& applied = std::get<ApplyTaskCall>(call.what).task;
  const bool same = known.there && known.task.run.definition == applied.run.definition;
  known.there = true;
  known.task = applied;
  step.definitions.push_back(applied);
  step.begins |= known.started && !same;
}

void TaskChecker::FollowTask(TaskCall::Wish wish, Known& known, Step& step) {
  switch (wish) {
    case TaskCall::Wish::kRun:
      ++step.by_hand;
      return;
    case TaskCall::Wish::kStart:
      if (!RunsByItself(known.task)) {
        ++step.by_hand;
      } else {
        step.begins |= !known.started;
        known.started = true;
      }
      return;
    case TaskCall::Wish::kRemove:
      known.there = false;
      known.seen = absl::InfinitePast();
      known.fired.clear();
      break;
    case TaskCall::Wish::kStop:
      break;
  }
  known.started = false;
  known.left = known.unfinished;
  step.stops = step.stops_at_last = true;
}

void TaskChecker::FollowRuns(const Known& known, Step& step) {
  for (const Job& run : step.changed) {
    if (runs_.insert(run.id).second) {
      world_.Note("", "job $0 is a run of $d", {run.id.value}, run.input.path);
      step.made.push_back(run);
    }
    // What was being cancelled when the task was started says nothing about that start.
    if (known.left.contains(run.id)) continue;
    // It may have ended before the task was changed in the same commit.
    for (const Task& task : step.definitions) step.may_stop |= task.forever && Stops(task, run);
  }
}

// What is there and started is so by the calls that were answered, and by nothing else.
void TaskChecker::CheckRow(const std::string& name, const std::optional<StoredTask>& row,
                           const Step& step) {
  const Known& known = tasks_.at(name);
  if (row.has_value() != known.there) {
    return Fail("task", name, row.has_value() ? "is there, and should not" : "is gone");
  }
  if (!row.has_value()) return;
  if (row->definition != known.task.run.definition) {
    Fail("task", name,
         absl::StrCat("has the definition ", row->definition, ", and was given ",
                      known.task.run.definition));
  }
  if (row->state.started && !known.started) Fail("task", name, "goes on, and was not to");
  if (!row->state.started && known.started && !step.may_stop) {
    Fail("task", name, "was started, and is not");
  }
}

// Runs are those that were asked for, and those that are due.
void TaskChecker::CheckMade(const std::string& name, const TaskState& state, const Step& step) {
  const Known& known = tasks_.at(name);
  std::vector<absl::Time> fired;
  for (const Job& run : step.made) {
    if (IsFired(known.task, run)) fired.push_back(run.due_at);
  }
  const int64_t others = static_cast<int64_t>(step.made.size() - fired.size()) - step.by_hand;
  if (others < 0) Fail("task", name, "was to run, and there is no run");
  const bool may_begin = known.task.forever && known.started;
  if (others > (may_begin ? 1 : 0)) {
    Fail("task", name,
         absl::StrCat("has a run that nobody has asked for, job ", step.made.back().id.value));
  }
  if (known.task.schedule.has_value()) CheckFired(name, fired, state, step);
}

void TaskChecker::CheckFired(const std::string& name, const std::vector<absl::Time>& fired,
                             const TaskState& state, const Step& step) {
  Known& known = tasks_.at(name);
  for (const absl::Time due : fired) {
    if (!known.fired.insert(due).second) Fail("twice", name, "was run twice for " + Show({due}));
  }
  if (!fired.empty() && (!known.started || step.begins)) {
    return Fail("task", name, absl::StrCat("is not due, and runs for ", Show(fired)));
  }
  if (state.seen < known.seen) {
    Fail("twice", name, "forgets that it was run for " + Show({known.seen}));
  }
  if (!known.started || step.begins || state.seen <= known.seen) return;
  if (state.seen + Jitter(name, known.task.jitter) > world_.time()) {
    Fail("task", name, "is run before it is due, for " + Show(fired));
  }
  std::vector<absl::Time> due = DueBetween(known.task, known.seen, state.seen);
  if (due == fired) return;
  // One that waits or runs may stand in the way.
  const int64_t there =
      static_cast<int64_t>(known.unfinished.size() + step.retried.size() + due.size()) +
      step.by_hand;
  if (known.task.overlap == Overlap::kQueue && there > kUnfinishedRunsMax) return;
  if (known.task.overlap == Overlap::kSkip) {
    if (due.size() > 1) due.resize(1);
    const bool skips = !known.unfinished.empty() || !step.retried.empty() || step.by_hand > 0;
    if (due == fired || (fired.empty() && skips)) return;
  }
  Fail("forgotten", name,
       absl::StrCat("was due at ", Show(due), ", and was run for ",
                    fired.empty() ? "none of them" : Show(fired)));
}

// Where runs do not queue, a new one comes only if the one before goes.
void TaskChecker::CheckOverlap(StoreReader& reader, const std::string& name, const Step& step) {
  const Known& known = tasks_.at(name);
  const bool redefined = std::any_of(step.calls.begin(), step.calls.end(), [](const Call* call) {
    return std::holds_alternative<ApplyTaskCall>(call->what);
  });
  if (step.made.empty() || redefined || known.task.overlap == Overlap::kQueue) return;
  for (const JobId id : known.unfinished) {
    const std::optional<Job> run = reader.GetJob(id);
    if (!run.has_value() || IsFinal(run->state) || run->cancelling) continue;
    if (step.retried.contains(id)) continue;
    Fail("overlap", name,
         absl::StrCat("has a new run, job ", step.made.back().id.value, ", and job ", id.value,
                      " is ", StateName(run->state)));
  }
}

// After a stop nothing runs on but what was asked for since.
void TaskChecker::CheckCancelled(StoreReader& reader, const std::string& name, const Step& step) {
  const Known& known = tasks_.at(name);
  std::set<JobId> doomed;
  if (step.stops) doomed = known.unfinished;
  for (const Job& run : step.changed) {
    if (step.stops_at_last || !known.there) doomed.insert(run.id);
  }
  for (const JobId id : doomed) {
    const std::optional<Job> run = reader.GetJob(id);
    if (!run.has_value() || IsFinal(run->state) || run->cancelling) continue;
    if (known.there && step.retried.contains(id)) continue;
    Fail("task", name,
         absl::StrCat("was stopped or removed, and job ", id.value, " is ", StateName(run->state)));
  }
}

// What is started is due again in time, or runs.
void TaskChecker::CheckGoesOn(const std::string& name, const TaskState& state) {
  const Known& known = tasks_.at(name);
  if (!known.started) return;
  absl::Time latest = absl::InfiniteFuture();
  if (known.task.schedule.has_value()) {
    latest = FirstDueAfter(known.task, state.seen) + Jitter(name, known.task.jitter);
  } else if (known.task.forever && known.unfinished.empty()) {
    latest = world_.time() + known.task.run.retry.backoff_max;
  }
  if (state.due_at <= latest) return;
  Fail("forgotten", name,
       absl::StrCat("is to go on at ", Show({latest}), ", and is due at ", Show({state.due_at})));
}

void TaskChecker::Sample(StoreReader& reader, absl::Duration quiet_since) {
  if (world_.now() - quiet_since < kFireSlack) return;
  for (const auto& [name, known] : tasks_) {
    if (!known.started) continue;
    const std::optional<StoredTask> row = reader.GetTask(name);
    if (!row.has_value() || row->state.due_at > world_.time() - kFireSlack) continue;
    Fail("starvation", name,
         absl::StrCat("was due at ", Show({row->state.due_at}), " and is not looked at"));
  }
}

void TaskChecker::ExpectRuns() {
  for (const auto& [name, known] : tasks_) {
    if (known.started && RunsByItself(known.task)) idle_.insert(name);
  }
}

std::string TaskChecker::Idle() const {
  for (const std::string& name : idle_) {
    if (tasks_.at(name).started) return name;
  }
  return "";
}

void TaskChecker::Audit(StoreReader& reader) {
  for (const auto& [name, known] : tasks_) {
    const std::optional<StoredTask> row = reader.GetTask(name);
    if (row.has_value() != known.there) Fail("task", name, "came or went without a call");
    if (!row.has_value()) continue;
    if (row->state.started || row->state.due_at != absl::InfiniteFuture()) {
      Fail("task", name, "was stopped and is due");
    }
  }
}

}  // namespace closewrite::simulation
