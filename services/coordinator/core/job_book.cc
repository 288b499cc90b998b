#include "services/coordinator/core/job_book.h"

#include <utility>

namespace closewrite {
namespace {

constexpr int64_t kLoadPageRows = 1000;

}  // namespace

Job JobBook::Insert(StoreTransaction& tx, Job job) {
  job.id = tx.InsertJob(job);
  Remember(Job{.state = JobState::kScheduled}, job);
  return job;
}

absl::StatusOr<Job> JobBook::Change(StoreTransaction& tx, const Job& job, const JobCommand& command,
                                    absl::Time now) {
  std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(job.pipeline);
  RuleContext context{.now = now, .jitter = random_()};
  if (pipeline != nullptr) context.retry = pipeline->retry;
  const Attempt attempt = tx.GetAttempt(Lease{job.id, job.token}).value_or(Attempt{.job = job.id});
  absl::StatusOr<JobChange> change = Apply(job, attempt, command, context);
  if (!change.ok()) return change.status();
  if (change->job == job && !change->attempt.has_value()) return job;
  tx.UpdateJob(change->job);
  if (change->attempt.has_value()) tx.PutAttempt(*change->attempt);
  Remember(job, change->job);
  // Every other way out of RUNNING is one that the executor knows of, or that ends its session.
  const bool revoked = job.state == JobState::kRunning && std::holds_alternative<Cancel>(command);
  if (revoked) effects_.revoked.insert(job.session);
  if (IsFinal(change->job.state) && !IsFinal(job.state)) {
    for (const Job& follower : tx.Followers(job.id)) {
      (void)Change(tx, follower, Unblock{}, now).status();
    }
  }
  return std::move(change->job);
}

void JobBook::Load(StoreReader& reader, absl::Time now) {
  fleet_.locks.clear();
  for (auto& [id, session] : fleet_.sessions) session.leases.clear();
  for (const auto& [name, pipeline] : fleet_.pipelines) fleet_.ready.insert(name);
  JobFilter running{.states = {JobState::kRunning}};
  JobId before;
  for (;;) {
    const std::vector<Job> page = reader.ListJobs(running, before, kLoadPageRows);
    for (const Job& job : page) {
      auto [it, is_new] = fleet_.sessions.try_emplace(job.session);
      if (is_new) {
        it->second.id = job.session;
        it->second.executor.name = job.executor;
        it->second.executor.host = job.host;
        it->second.expires_at = now + fleet_.session_ttl;
      }
      Grip(job);
    }
    if (page.size() < kLoadPageRows) return;
    before = page.back().id;
  }
}

void JobBook::Remember(const Job& before, const Job& after) {
  if (before.state == JobState::kRunning && after.state != JobState::kRunning) LetGo(before);
  if (before.state != JobState::kRunning && after.state == JobState::kRunning) Grip(after);
  if (after.state == JobState::kAvailable) fleet_.ready.insert(after.pipeline);
  if (after.state == JobState::kPublishing && before.state != JobState::kPublishing) {
    effects_.publish.push_back(after);
  }
  effects_.jobs.insert_or_assign(after.id, after);
}

void JobBook::Grip(const Job& job) {
  auto session = fleet_.sessions.find(job.session);
  if (session != fleet_.sessions.end()) session->second.leases[job.id] = job.token;
  std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(job.pipeline);
  if (pipeline == nullptr) return;
  for (const std::string& lock : pipeline->locks) {
    fleet_.locks.try_emplace(lock, LockHolder{job.id, job.host, job.leased_at});
  }
}

void JobBook::LetGo(const Job& job) {
  auto session = fleet_.sessions.find(job.session);
  if (session != fleet_.sessions.end()) {
    session->second.leases.erase(job.id);
    session->second.progress.erase(job.id);
  }
  // By holder, not by the pipeline's definition, which may have changed since.
  std::erase_if(fleet_.locks, [&](const auto& entry) { return entry.second.job == job.id; });
}

}  // namespace closewrite
