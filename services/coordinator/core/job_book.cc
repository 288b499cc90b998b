#include "services/coordinator/core/job_book.h"

#include <algorithm>

#include "services/coordinator/core/job_measure.h"
#include "services/coordinator/core/lock_grant.h"
#include "services/coordinator/core/outbox.h"
#include "services/coordinator/core/upload.h"

namespace closewrite {
namespace {

Attempt NewestAttempt(StoreTransaction& tx, const Job& job) {
  switch (job.state) {
    case JobState::kRunning:
      return LiveAttempt(job);
    case JobState::kPublishing:
      return tx.GetAttempt(Lease{job.id, job.token}).value_or(LiveAttempt(job));
    default:
      return {};
  }
}

}  // namespace

Job JobBook::Insert(StoreTransaction& tx, Job job) {
  job.id = tx.InsertJob(job);
  ++effects_.totals.made;
  effects_.measures.push_back({.pipeline = job.pipeline, .made = true});
  Remember(tx, Job{.state = JobState::kScheduled}, job);
  return job;
}

absl::StatusOr<Job> JobBook::Change(StoreTransaction& tx, const Job& job, const JobCommand& command,
                                    absl::Time now) {
  std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(tx, job.pipeline);
  RuleContext context{.now = now, .jitter = random_()};
  if (pipeline != nullptr) context.retry = pipeline->retry;
  if (std::holds_alternative<Retry>(command) && IsFinal(job.state)) {
    const auto last = tx.LastInLine(job.pipeline, job.input.volume, job.input.path);
    if (last.has_value()) context.last_in_line = last->id;
  }
  absl::StatusOr<JobChange> change = Apply(job, NewestAttempt(tx, job), command, context);
  effects_.refused_results += absl::IsAborted(change.status());
  if (!change.ok()) return change.status();
  if (change->job == job && !change->attempt.has_value()) return job;
  tx.UpdateJob(change->job);
  if (change->attempt.has_value()) tx.PutAttempt(*change->attempt);
  if (points_.has_value()) {
    for (const Point& point : ExecutionPointsOf(job, change->job, change->attempt, *points_, now)) {
      AppendPoint(tx, EncodePoint(point));
    }
  }
  if (auto measure = MeasureOf(job, change->job, change->attempt, now); measure.has_value()) {
    effects_.measures.push_back(*std::move(measure));
  }
  Remember(tx, job, change->job);
  if (IsFinal(change->job.state) && !IsFinal(job.state)) {
    if (pipeline != nullptr) PutJobMessages(tx, pipeline->notify, change->job, now);
    if (pipeline != nullptr && pipeline->uploads.has_value()) {
      PutUploadMessage(tx, change->job, now);
    }
    CloseGap(tx, job, now);
  }
  return std::move(change->job);
}

void JobBook::AppendPoint(StoreTransaction& tx, std::string_view line) {
  if (batch_.count > 0) batch_.lines.push_back('\n');
  batch_.lines.append(line);
  if (++batch_.count >= kPointBatchMax || batch_.lines.size() >= kPointBatchBytesMax) {
    FlushPoints(tx);
  }
}

void JobBook::FlushPoints(StoreTransaction& tx) {
  if (batch_.count > 0) tx.AppendPoints(batch_.count, batch_.lines);
  ForgetPoints();
}

void JobBook::ForgetPoints() {
  batch_.count = 0;
  batch_.lines.clear();  // its memory is used again
}

// A job has left its file's line, perhaps from the middle.
void JobBook::CloseGap(StoreTransaction& tx, const Job& left, absl::Time now) {
  const std::vector<Job> followers = tx.Followers(left.id);
  if (followers.empty()) return;
  MoveUp line;
  if (left.after.value != 0) {
    // Read in this transaction, so that nobody ends it before its new followers can be found.
    const std::optional<Job> before = tx.GetJob(left.after);
    if (before.has_value() && !IsFinal(before->state)) line.after = left.after;
  }
  for (const Job& follower : followers) (void)Change(tx, follower, line, now).status();
}

void JobBook::Remember(StoreTransaction& tx, const Job& before, const Job& after) {
  if (before.state == JobState::kRunning && after.state != JobState::kRunning) LetGo(tx, before);
  if (before.state != JobState::kRunning && after.state == JobState::kRunning) Grip(tx, after);
  if (after.cancelling && !before.cancelling) {
    Hold(after);
    effects_.revoked.insert(after.session);
  }
  if (after.state == JobState::kAvailable) {
    fleet_.ready.insert(after.pipeline);
  } else if (IsWaiting(after.state) && after.after.value == 0) {
    fleet_.due_at = std::min(fleet_.due_at, after.due_at);
  }
  if (after.state == JobState::kPublishing && before.state != JobState::kPublishing) {
    effects_.publish.push_back(after);
  }
  if (IsFinal(after.state) && !IsFinal(before.state) && TaskOfRuns(after.pipeline).has_value()) {
    ended_runs_.push_back(after);
  }
  Count(before.state, after.state);
  effects_.jobs.insert_or_assign(after.id, after);
}

void JobBook::Count(JobState before, JobState after) {
  JobTotals& totals = effects_.totals;
  if (before == after) return;
  totals.leased += after == JobState::kRunning;
  totals.succeeded += after == JobState::kSucceeded;
  totals.failed += after == JobState::kFailed;
  totals.cancelled += after == JobState::kCancelled;
}

void JobBook::Hold(const Job& job) {
  auto session = fleet_.sessions.find(job.session);
  if (session != fleet_.sessions.end()) session->second.leases[job.id] = HeldLease::Of(job);
}

void JobBook::Grip(StoreTransaction& tx, const Job& job) {
  Hold(job);
  std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(tx, job.pipeline);
  if (pipeline == nullptr) return;
  for (const std::string& lock : pipeline->locks) {
    GrantLock(tx, &fleet_,
              {.lock = lock,
               .holder = HolderOf(job.id),
               .job = job.id,
               .host = job.host,
               .priority = pipeline->priority,
               .asked_at = job.created_at},
              job.leased_at);
    effects_.locks = true;
  }
}

void JobBook::LetGo(StoreTransaction& tx, const Job& job) {
  auto session = fleet_.sessions.find(job.session);
  if (session != fleet_.sessions.end()) {
    session->second.leases.erase(job.id);
    session->second.progress.erase(job.id);
  }
  // By holder, not by the pipeline's definition alone, which may have changed since.
  const bool held = fleet_.locks.EraseOf(HolderOf(job.id));
  std::shared_ptr<const Pipeline> pipeline = fleet_.FindPipeline(tx, job.pipeline);
  const bool freed = held || (pipeline != nullptr && !pipeline->locks.empty());
  // Of a lock that another coordinator gave, by an earlier definition, memory may not know.
  if (freed || fleet_.shared) tx.EraseClaimsOf(HolderOf(job.id));
  effects_.locks |= freed;
}

}  // namespace closewrite
