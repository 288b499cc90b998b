#include "services/coordinator/metrics/store_figures.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "services/coordinator/core/task.h"
#include "services/coordinator/core/task_book.h"

namespace closewrite {
namespace {

constexpr int64_t kRowsPerRead = 1000;

// Since when a waiting job waits, as far as it says so itself: it was made, or given to an
// executor, or became due.
absl::Time WaitsSince(const Job& job) {
  absl::Time since = std::max(job.created_at, job.leased_at);
  if (job.state == JobState::kAvailable) since = std::max(since, job.due_at);
  if (job.state == JobState::kPublishing) since = std::max(since, job.started_at);
  return since;
}

void Raise(absl::Duration& longest, absl::Time since, absl::Time now) {
  longest = std::max({longest, now - since, absl::ZeroDuration()});
}

void ForEachIn(StoreReader& reader, JobState state, const std::function<void(const Job&)>& fn) {
  JobId before;
  for (int64_t seen = 0; seen < kJobsLookedAtMax;) {
    const std::vector<Job> page = reader.ListJobs({.states = {state}}, before, kRowsPerRead);
    for (const Job& job : page) fn(job);
    if (page.size() < static_cast<size_t>(kRowsPerRead)) return;
    before = page.back().id;
    seen += static_cast<int64_t>(page.size());
  }
}

// Definitions are decoded where it matters.
void ReadTasks(StoreReader& reader, const Fleet& fleet, StoreFigures* figures) {
  ForEachTask(reader, [&](const StoredTask& stored) {
    const std::string runs = RunsOf(stored.name);
    figures->pipelines.insert(runs);
    figures->applied_at[runs] = stored.applied_at;
    if (!stored.state.started) figures->stopped.insert(runs);
    if (!stored.state.started || stored.state.failures < kCrashLoopAfter) return;
    const absl::StatusOr<Task> task = fleet.decode_task(stored.definition);
    if (!task.ok() || !CrashesInALoop(*task, stored.state)) return;
    figures->crash_loops.push_back(stored.name);
  });
}

}  // namespace

StoreFigures ReadStoreFigures(StoreReader& reader, const Fleet& fleet, absl::Time now) {
  StoreFigures figures;
  for (const auto& [name, pipeline] : fleet.pipelines) {
    figures.pipelines.insert(name);
    figures.applied_at[name] = pipeline->applied_at;
  }
  ReadTasks(reader, fleet, &figures);
  figures.counts = reader.CountJobs(kJobsCountedMax);
  const auto waits = [&](const Job& job) {
    const WaitingReason reason = WhyWaiting(job, fleet, reader, now).reason;
    if (reason == WaitingReason::kNone) return;
    Raise(figures.oldest_waiting[reason], WaitsSince(job), now);
  };
  for (const JobCount& count : figures.counts) {
    if (count.state != JobState::kAvailable) continue;
    const std::optional<Job> oldest = reader.OldestAvailable(count.pipeline);
    if (!oldest.has_value()) continue;
    Raise(figures.oldest_available[count.pipeline], WaitsSince(*oldest), now);
    waits(*oldest);
  }
  for (const JobState state : {JobState::kScheduled, JobState::kRetrying, JobState::kPublishing}) {
    ForEachIn(reader, state, waits);
  }
  ForEachIn(reader, JobState::kRunning, [&](const Job& job) {
    const absl::Time since = job.pid == 0 ? job.leased_at : job.started_at;
    Raise(figures.oldest_running[job.pipeline], since, now);
  });
  figures.logs = reader.GetLogTotals();
  figures.points = reader.GetPointRange();
  return figures;
}

}  // namespace closewrite
