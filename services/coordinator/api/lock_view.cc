#include "services/coordinator/api/lock_view.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "services/coordinator/convert.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

bool Needs(const Pipeline& pipeline, const std::string& lock) {
  return std::binary_search(pipeline.locks.begin(), pipeline.locks.end(), lock);
}

v1::LockClaim ShowWaiter(const Job& job, int priority) {
  v1::LockClaim shown;
  shown.set_job_id(job.id.value);
  shown.set_pipeline(job.pipeline);
  shown.set_priority(priority);
  SetTime(job.created_at, shown.mutable_asked_at());
  return shown;
}

// What the job that holds it is, beside its number.
void Complete(StoreReader& reader, v1::LockClaim* shown) {
  const std::optional<Job> job = reader.GetJob(JobId{shown->job_id()});
  if (!job.has_value()) return;
  shown->set_pipeline(job->pipeline);
  shown->set_attempt(job->attempts);
  shown->mutable_program()->set_pid(job->pid);
  shown->mutable_program()->set_program(job->executor);
}

}  // namespace

LockSnapshot SnapshotOf(const Engine& engine, const std::string& lock) {
  const Fleet& fleet = engine.fleet();
  LockSnapshot snapshot{.name = lock};
  if (const LockLine* const line = fleet.locks.Find(lock); line != nullptr) snapshot.line = *line;
  for (const auto& [name, pipeline] : fleet.pipelines) {
    if (Needs(*pipeline, lock)) snapshot.pipelines.emplace_back(name, pipeline->priority);
  }
  for (const auto& [name, task] : fleet.tasks) {
    if (Needs(task->run, lock)) snapshot.pipelines.emplace_back(RunsOf(name), task->run.priority);
  }
  return snapshot;
}

std::vector<LockSnapshot> SnapshotsOf(const Engine& engine, size_t limit) {
  const Fleet& fleet = engine.fleet();
  std::set<std::string> names;
  for (const auto& [name, line] : fleet.locks.lines()) names.insert(name);
  for (const auto& [name, pipeline] : fleet.pipelines) {
    names.insert(pipeline->locks.begin(), pipeline->locks.end());
  }
  for (const auto& [name, task] : fleet.tasks) {
    names.insert(task->run.locks.begin(), task->run.locks.end());
  }
  std::vector<LockSnapshot> snapshots;
  for (const std::string& name : names) {
    if (snapshots.size() >= limit) break;
    snapshots.push_back(SnapshotOf(engine, name));
  }
  return snapshots;
}

v1::LockClaim ShowClaim(const LockClaim& claim) {
  v1::LockClaim shown;
  shown.set_job_id(claim.job.value);
  if (claim.job.value == 0) shown.set_session_id(claim.holder);
  v1::LockProgram* const program = shown.mutable_program();
  program->set_host(claim.host);
  program->set_pid(claim.pid);
  program->set_program(claim.program);
  program->set_user(claim.user);
  shown.set_priority(claim.priority);
  SetTime(claim.asked_at, shown.mutable_asked_at());
  if (claim.held()) SetTime(claim.held_since, shown.mutable_held_since());
  shown.set_token(claim.token);
  return shown;
}

std::vector<v1::LockClaim> WaitersOf(StoreReader& reader, const LockSnapshot& snapshot) {
  std::map<LockPlace, v1::LockClaim> waiters;
  for (const LockClaim& claim : snapshot.line.Waiters()) {
    waiters.emplace(PlaceOf(claim), ShowClaim(claim));
  }
  for (const auto& [pipeline, priority] : snapshot.pipelines) {
    const JobFilter available{.states = {JobState::kAvailable}, .pipeline = pipeline};
    for (const Job& job : reader.ListJobs(available, JobId{}, kWaitingJobsMax)) {
      waiters.emplace(LockPlace{.priority = priority,
                                .within = job.priority,
                                .since = job.created_at,
                                .job = job.id.value},
                      ShowWaiter(job, priority));
    }
  }
  std::vector<v1::LockClaim> shown;
  shown.reserve(waiters.size());
  for (auto& [place, claim] : waiters) shown.push_back(std::move(claim));
  return shown;
}

v1::Lock ShowLock(StoreReader& reader, const LockSnapshot& snapshot) {
  v1::Lock shown;
  shown.set_name(snapshot.name);
  shown.set_capacity(snapshot.line.capacity);
  for (const LockClaim& claim : snapshot.line.Holders()) {
    v1::LockClaim* const holder = shown.add_holders();
    *holder = ShowClaim(claim);
    if (claim.job.value != 0) Complete(reader, holder);
  }
  std::vector<v1::LockClaim> waiters = WaitersOf(reader, snapshot);
  shown.set_waiting(static_cast<int32_t>(waiters.size()));
  waiters.resize(std::min(waiters.size(), kWaitersShownMax));
  for (v1::LockClaim& claim : waiters) *shown.add_waiters() = std::move(claim);
  return shown;
}

std::string PlaceWords(size_t before) {
  if (before == 0) return "next in line";
  const size_t place = before + 1;
  const char* const end = place % 100 / 10 == 1 ? "th"
                          : place % 10 == 1     ? "st"
                          : place % 10 == 2     ? "nd"
                          : place % 10 == 3     ? "rd"
                                                : "th";
  return StrCat(place, end, " in line");
}

}  // namespace closewrite
