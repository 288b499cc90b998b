#include "services/coordinator/core/task_book.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/rate_book.h"

namespace closewrite {

namespace {

constexpr int64_t kTasksPerRead = 1000;

}  // namespace

void ForEachTask(StoreReader& reader, absl::FunctionRef<void(const StoredTask&)> fn) {
  std::string after;
  for (int64_t seen = 0; seen < kTasksMax;) {
    const std::vector<StoredTask> tasks = reader.ListTasks(after, kTasksPerRead);
    for (const StoredTask& stored : tasks) fn(stored);
    if (static_cast<int64_t>(tasks.size()) < kTasksPerRead) return;
    after = tasks.back().name;
    seen += static_cast<int64_t>(tasks.size());
  }
}

absl::StatusOr<TaskBook::Found> TaskBook::Find(StoreTransaction& tx, const std::string& name) {
  std::optional<StoredTask> stored = tx.GetTask(name);
  if (!stored.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("there is no task ", name, "; `closewrite task list` lists those there are"));
  }
  std::shared_ptr<const Task> task = fleet_.LearnTask(tx, name);
  if (task != nullptr) return Found{*std::move(stored), std::move(task)};
  return absl::DataLossError(absl::StrCat("the definition of task ", name,
                                          " can't be read: apply it again, or remove the task"));
}

void TaskBook::Put(StoreTransaction& tx, const StoredTask& stored) {
  tx.PutTask(stored);
  fleet_.task_due_at = std::min(fleet_.task_due_at, stored.state.due_at);
}

absl::StatusOr<std::vector<ApplyEffect>> TaskBook::Apply(StoreTransaction& tx,
                                                         std::vector<Task> tasks, bool must_be_new,
                                                         bool dry_run, absl::Time now) {
  std::vector<ApplyEffect> effects;
  std::vector<StoredTask> stored;
  int64_t created = 0;
  for (const Task& task : tasks) {
    const std::optional<StoredTask> old = tx.GetTask(task.name);
    if (old.has_value() && must_be_new) {
      return absl::AlreadyExistsError(absl::StrCat("a task of the name ", task.name, " exists"));
    }
    created += !old.has_value();
    const bool same = old.has_value() && old->definition == task.run.definition;
    effects.push_back(!old.has_value() ? ApplyEffect::kCreated
                      : same           ? ApplyEffect::kUnchanged
                                       : ApplyEffect::kChanged);
    stored.push_back(old.value_or(StoredTask{.name = task.name}));
  }
  if (tx.CountTasks() + created > kTasksMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there can be ", kTasksMax, " tasks: remove some first"));
  }
  if (dry_run) return effects;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (effects[i] == ApplyEffect::kUnchanged) continue;
    ++stored[i].version;
    stored[i].applied_at = now;
    stored[i].definition = tasks[i].run.definition;
    DefineOwnRate(tx, &fleet_, tasks[i].run.rate, now);
    if (stored[i].state.started) stored[i].state = StartTask(tasks[i], stored[i].state, now);
    fleet_.tasks.erase(tasks[i].name);
    Put(tx, stored[i]);
    book_.effects().pipelines = true;
  }
  return effects;
}

absl::Status TaskBook::MayRun(StoreTransaction& tx, const Task& task) {
  const std::optional<Job> there = tx.LastInLine(RunsOf(task.name), "", task.name);
  if (!there.has_value() || there->cancelling || task.overlap == Overlap::kReplace) {
    return absl::OkStatus();
  }
  if (task.overlap == Overlap::kSkip) {
    return absl::FailedPreconditionError(absl::StrCat(
        "task ", task.name, " runs already, as job ", there->id.value,
        ": wait for it, or stop it; `overlap: queue` or `replace` let another one come"));
  }
  if (tx.CountUnfinished(RunsOf(task.name)) < kUnfinishedRunsMax) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("task ", task.name, " has ", kUnfinishedRunsMax,
                                                    " unfinished runs: wait for them"));
}

absl::Status TaskBook::Start(StoreTransaction& tx, const std::vector<std::string>& names,
                             absl::Time now) {
  // What ended before says nothing about what begins now.
  EndRuns(tx, now);
  std::vector<Found> found;
  for (const std::string& name : std::set<std::string>(names.begin(), names.end())) {
    absl::StatusOr<Found> one = Find(tx, name);
    if (!one.ok()) return one.status();
    const bool by_hand = !one->task->forever && !one->task->schedule.has_value();
    const absl::Status may = by_hand ? MayRun(tx, *one->task) : absl::OkStatus();
    if (!may.ok()) return may;
    found.push_back(*std::move(one));
  }
  for (Found& each : found) {
    if (!each.task->forever && !each.task->schedule.has_value()) {
      (void)MakeRun(tx, *each.task, each.stored, now, now);
    } else if (!each.stored.state.started) {
      each.stored.state = StartTask(*each.task, each.stored.state, now);
    } else {
      continue;
    }
    Put(tx, each.stored);
  }
  return absl::OkStatus();
}

absl::Status TaskBook::Stop(StoreTransaction& tx, const std::vector<std::string>& names,
                            absl::Time now) {
  std::vector<Found> found;
  for (const std::string& name : names) {
    absl::StatusOr<Found> one = Find(tx, name);
    if (!one.ok()) return one.status();
    found.push_back(*std::move(one));
  }
  for (Found& each : found) {
    each.stored.state = StopTask(each.stored.state);
    Put(tx, each.stored);
    CancelRuns(tx, each.stored.name, absl::StrCat("task ", each.stored.name, " was stopped"), now);
  }
  return absl::OkStatus();
}

absl::Status TaskBook::Remove(StoreTransaction& tx, const std::string& name, absl::Time now) {
  if (!tx.GetTask(name).has_value()) return Find(tx, name).status();
  CancelRuns(tx, name, absl::StrCat("task ", name, " was removed"), now);
  tx.DeleteTask(name);
  fleet_.tasks.erase(name);
  fleet_.ready.erase(RunsOf(name));
  book_.effects().pipelines = true;
  return absl::OkStatus();
}

absl::StatusOr<Job> TaskBook::Run(StoreTransaction& tx, const std::string& name, absl::Time now) {
  absl::StatusOr<Found> found = Find(tx, name);
  if (!found.ok()) return found.status();
  if (absl::Status s = MayRun(tx, *found->task); !s.ok()) return s;
  const Job run = MakeRun(tx, *found->task, found->stored, now, now);
  Put(tx, found->stored);
  return run;
}

// The first of the line may go on for a while; what waits goes at once, the newest first, so that
// none of them moves up meanwhile.
void TaskBook::CancelRuns(StoreTransaction& tx, const std::string& name, const std::string& why,
                          absl::Time now) {
  for (int64_t i = 0; i < kUnfinishedRunsMax; ++i) {
    const std::optional<Job> run = tx.LastInLine(RunsOf(name), "", name);
    if (!run.has_value() || run->cancelling) return;
    if (!book_.Change(tx, *run, Cancel{why}, now).ok()) return;
  }
}

// Of a task that may run. Whatever `overlap` says, what is being cancelled goes first.
Job TaskBook::MakeRun(StoreTransaction& tx, const Task& task, StoredTask& stored, absl::Time due,
                      absl::Time now) {
  const std::string runs = RunsOf(task.name);
  if (task.overlap == Overlap::kReplace) {
    CancelRuns(tx, task.name, "replaced by a newer run", now);
  }
  const std::optional<Job> before = tx.LastInLine(runs, "", task.name);
  ++stored.state.runs;
  Job run{.pipeline = runs,
          // A task that was removed may come again, and number its runs anew.
          .key = absl::StrCat(runs, "/", stored.state.runs, "/", absl::ToUnixNanos(now)),
          .input = {.path = task.name},
          .created_at = now,
          .due_at = due,
          .observed_at = due};
  if (before.has_value()) {
    run.after = before->id;
    run.state = JobState::kScheduled;
  }
  run = book_.Insert(tx, run);
  stored.state.last = run.id;
  return run;
}

bool TaskBook::Fire(StoreTransaction& tx, absl::Time now) {
  std::vector<StoredTask> due = tx.DueTasks(now, kFireBatchMax);
  Expected lines;
  for (const StoredTask& stored : due) lines.paths.emplace_back("", stored.name);
  if (!due.empty()) tx.Expect(lines);
  for (StoredTask& stored : due) {
    const std::shared_ptr<const Task> task = fleet_.LearnTask(tx, stored.name);
    if (task == nullptr) {
      // Its definition is damaged: it is not looked at again before it is applied anew.
      stored.state.due_at = absl::InfiniteFuture();
      tx.PutTask(stored);
      continue;
    }
    const std::optional<Job> there = tx.LastInLine(RunsOf(stored.name), "", stored.name);
    // What is being cancelled was cancelled before the task was started: its end is none of this
    // start's.
    const bool unfinished = there.has_value() && !there->cancelling;
    const Firing firing = FireTask(*task, stored.state, now, unfinished);
    stored.state = firing.state;
    for (const absl::Time time : firing.due) {
      if (MayRun(tx, *task).ok()) (void)MakeRun(tx, *task, stored, time, now);
    }
    tx.PutTask(stored);
  }
  return static_cast<int64_t>(due.size()) == kFireBatchMax;
}

// The newest run says how its task goes on; of a for-ever task that which ends last, for one that
// waited may be cancelled before the one that runs.
void TaskBook::EndRuns(StoreTransaction& tx, absl::Time now) {
  for (const Job& run : book_.TakeEndedRuns()) {
    std::optional<StoredTask> stored = tx.GetTask(run.input.path);
    if (!stored.has_value()) continue;
    const std::shared_ptr<const Task> task = fleet_.LearnTask(tx, stored->name);
    if (task == nullptr) continue;
    const bool others = task->forever ? tx.LastInLine(run.pipeline, "", stored->name).has_value()
                                      : stored->state.last != run.id;
    if (others) continue;
    // It was started in this very commit: the run is one of before.
    if (task->forever && stored->state.due_at <= now) continue;
    stored->state = EndRun(*task, stored->state, run, now, random_());
    Put(tx, *stored);
  }
}

absl::Time TaskBook::Tick(StoreTransaction& tx, absl::Time now) {
  EndRuns(tx, now);
  // Others may have started some.
  if (fleet_.task_due_at == absl::InfinitePast()) fleet_.task_due_at = tx.EarliestTaskDue();
  if (now >= fleet_.task_due_at) {
    const bool more = Fire(tx, now);
    EndRuns(tx, now);
    fleet_.task_due_at = tx.EarliestTaskDue();
    const bool locked = !more && fleet_.task_due_at <= now;
    if (locked && fleet_.shared) fleet_.task_due_at = now + kDuePoll;
  }
  return fleet_.task_due_at;
}

}  // namespace closewrite
