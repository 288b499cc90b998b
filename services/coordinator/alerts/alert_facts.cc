#include "services/coordinator/alerts/alert_facts.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "services/coordinator/core/task.h"
#include "services/coordinator/core/task_book.h"
#include "services/coordinator/core/waiting.h"

namespace closewrite {
namespace {

constexpr int64_t kJobsPerRead = 1000;

bool IsConnected(const Watcher& watcher, absl::Time now) {
  return watcher.connected() && watcher.expires_at > now;
}

// Nullopt when a watcher of the volume is connected.
std::optional<AlertFacts::Away> AwayWatcher(const std::string& volume, const Watched& watched,
                                            const Surroundings& around) {
  // A coordinator that has just come gives everybody time to come, too.
  const absl::Time earliest = around.fleet->started_at;
  AlertFacts::Away away{volume, std::max(watched.applied_at, earliest), ""};
  for (const auto& [host, watcher] : around.fleet->watchers) {
    const bool has = std::any_of(watcher.volumes.begin(), watcher.volumes.end(),
                                 [&](const VolumeReport& each) { return each.volume == volume; });
    if (!has) continue;
    if (IsConnected(watcher, around.now)) return std::nullopt;
    const bool newer = away.host.empty() || watcher.heartbeat_at > away.since;
    if (newer) away = {volume, std::max(watcher.heartbeat_at, earliest), host};
  }
  return away;
}

std::vector<AlertFacts::Away> AwayExecutors(const Watched& watched, const Surroundings& around) {
  std::vector<AlertFacts::Away> away;
  for (const GoneExecutor& lost : around.lost) {
    Session session;
    session.executor = lost.hello;
    if (!WhatIsMissing(session, *watched.pipeline).empty()) continue;
    away.push_back({lost.hello.name, lost.lost_at, lost.hello.host});
  }
  return away;
}

std::optional<JobSince> LongestWaiting(const Watched& watched, const Surroundings& around,
                                       StoreReader& reader) {
  const std::optional<Job> job = reader.OldestAvailable(watched.owner);
  if (!job.has_value()) return std::nullopt;
  return JobSince{job->id, std::max(job->created_at, job->due_at),
                  WhyWaiting(*job, *around.fleet, reader, around.now).message};
}

}  // namespace

std::vector<Watched> FindWatched(StoreReader& reader, const Fleet& fleet) {
  std::vector<Watched> all;
  for (const auto& [name, pipeline] : fleet.pipelines) {
    if (pipeline->alerts.any()) {
      all.push_back({name, pipeline, /*is_task=*/false, pipeline->applied_at});
    }
  }
  ForEachTask(reader, [&](const StoredTask& stored) {
    absl::StatusOr<Task> task = fleet.decode_task(stored.definition);
    if (!task.ok() || !task->run.alerts.any()) return;
    all.push_back({RunsOf(stored.name), std::make_shared<const Pipeline>(std::move(task->run)),
                   /*is_task=*/true, stored.applied_at});
  });
  return all;
}

std::vector<OverflowMark> NewOverflowMarks(const std::vector<OverflowMark>& known,
                                           const Fleet& fleet, absl::Time now) {
  std::map<std::string, OverflowMark> marks;
  for (const OverflowMark& mark : known) marks[mark.volume] = mark;
  std::vector<OverflowMark> changed;
  for (const auto& [host, watcher] : fleet.watchers) {
    // What it said before it went may be of another home, or of its last start.
    if (!IsConnected(watcher, now)) continue;
    for (const VolumeReport& report : watcher.volumes) {
      const auto found = marks.find(report.volume);
      OverflowMark mark{.volume = report.volume, .count = report.overflows};
      if (found != marks.end()) {
        if (found->second.count == report.overflows) continue;
        // A watcher that was started again counts from 0.
        mark.at = report.overflows > 0 ? now : found->second.at;
      }
      changed.push_back(mark);
    }
  }
  return changed;
}

std::map<std::string, JobSince> LongestRunning(StoreReader& reader) {
  std::map<std::string, JobSince> longest;
  const JobFilter running{.states = {JobState::kRunning}};
  JobId before;
  for (int64_t seen = 0; seen < kRunningJobsMax; seen += kJobsPerRead) {
    const std::vector<Job> page = reader.ListJobs(running, before, kJobsPerRead);
    for (const Job& job : page) {
      const absl::Time since = job.pid == 0 ? job.leased_at : job.started_at;
      const auto [found, is_new] = longest.try_emplace(job.pipeline, JobSince{job.id, since, ""});
      if (!is_new && since < found->second.since) found->second = {job.id, since, ""};
    }
    if (static_cast<int64_t>(page.size()) < kJobsPerRead) break;
    before = page.back().id;
  }
  return longest;
}

AlertFacts FactsOf(const Watched& watched, const Baseline& baseline, const Surroundings& around,
                   StoreReader& reader) {
  const AlertPolicy& policy = watched.policy();
  AlertFacts facts{.owner = watched.owner,
                   .registered_at = baseline.registered_at,
                   .succeeded_at = baseline.succeeded_at};
  const std::optional<std::string_view> task = TaskOfRuns(watched.owner);
  if (task.has_value() && policy.no_success_within != absl::InfiniteDuration()) {
    const std::optional<StoredTask> stored = reader.GetTask(std::string(*task));
    facts.stopped = stored.has_value() && !stored->state.started;
  }
  if (policy.failed.count > 0) {
    for (const Job& job :
         reader.ListFailed(watched.owner, around.now - policy.failed.within, policy.failed.count)) {
      facts.failed.emplace_back(job.id, job.finished_at);
    }
  }
  if (const auto found = around.running.find(watched.owner); found != around.running.end()) {
    facts.running = found->second;
  }
  if (policy.waiting_longer_than != absl::InfiniteDuration()) {
    facts.waiting = LongestWaiting(watched, around, reader);
  }
  if (policy.executor_lost) facts.executors = AwayExecutors(watched, around);
  for (const std::string* volume : {&watched.pipeline->volume, &watched.pipeline->output_volume}) {
    if (volume->empty()) continue;
    const auto away = policy.watcher_lost ? AwayWatcher(*volume, watched, around) : std::nullopt;
    if (away.has_value()) facts.volumes.push_back(*away);
    const auto overflow = around.overflows.find(*volume);
    if (overflow != around.overflows.end()) {
      facts.overflows.push_back({*volume, overflow->second.at});
    }
  }
  return facts;
}

absl::StatusOr<std::map<std::string, absl::Time>> FindSuccesses(
    Store& store, const std::map<std::string, absl::Time>& since, absl::FunctionRef<bool()> stop) {
  std::map<std::string, absl::Time> found;
  if (since.empty()) return found;
  absl::Time earliest = absl::InfiniteFuture();
  for (const auto& [owner, time] : since) earliest = std::min(earliest, time);
  FinishedPlace place;
  while (found.size() < since.size()) {
    if (stop()) return absl::CancelledError("stopping");
    std::vector<Job> page;
    const absl::Status read = store.Read([&](StoreReader& reader) {
      page = reader.ListFinished(earliest, place, kFinishedPerRead);
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    for (const Job& job : page) {
      const auto wanted = since.find(job.pipeline);
      if (job.state != JobState::kSucceeded || wanted == since.end()) continue;
      if (job.finished_at > wanted->second) found.emplace(job.pipeline, job.finished_at);
    }
    if (static_cast<int64_t>(page.size()) < kFinishedPerRead) break;
    place = {page.back().finished_at, page.back().id};
  }
  return found;
}

}  // namespace closewrite
