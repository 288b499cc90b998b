#include "services/coordinator/api/job_watch.h"

#include <utility>
#include <vector>

#include "services/coordinator/api/job_view.h"
#include "services/coordinator/store/job_filter.h"

namespace closewrite {

JobWatch::JobWatch(StoreLoop* loop, JobFilter filter, JobSieve sieve)
    : loop_(*loop),
      filter_(std::move(filter)),
      ids_(filter_.ids.begin(), filter_.ids.end()),
      apart_from_ids_(filter_),
      sieve_(std::move(sieve)) {
  apart_from_ids_.ids.clear();
}

bool JobWatch::Wants(const Job& job) const {
  return (ids_.empty() || ids_.contains(job.id)) && Matches(apart_from_ids_, job) &&
         sieve_.Lets(job);
}

bool JobWatch::OnChange(const Effects& effects) {
  if (effects.jobs.empty() && !effects.elsewhere.jobs) return false;
  absl::MutexLock lock(&mutex_);
  look_ |= effects.elsewhere.jobs;
  bool added = look_;
  for (const auto& [id, job] : effects.jobs) {
    if (!Wants(job) || waiting_.contains(id)) continue;
    if (waiting_.size() >= kWatchedJobsMax) {
      overflow_ = true;
      return true;
    }
    waiting_.insert(id);
    changed_.push_back(id);
    added = true;
  }
  return added;
}

absl::StatusOr<JobWatch::Batch> JobWatch::Next() {
  if (phase_ == Phase::kCheck) {
    if (absl::Status s = CheckIds(); !s.ok()) return s;
    phase_ = Phase::kSnapshot;
  }
  return phase_ == Phase::kSnapshot ? Snapshot() : Changes();
}

absl::Status JobWatch::CheckIds() {
  return loop_.store().Read([&](StoreReader& reader) {
    for (const JobId id : filter_.ids) {
      if (!reader.GetJob(id).has_value()) return NoSuchJob(id);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<JobWatch::Batch> JobWatch::Snapshot() {
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time now = loop_.clock().Now();
  Batch batch;
  size_t rows = 0;
  absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    const std::vector<Job> page = reader.ListJobs(filter_, before_, kWatchBatchRows);
    rows = page.size();
    for (const Job& job : page) {
      before_ = job.id;
      Note(job);
      floor_ = std::max(floor_, JobId{job.id.value - kWatchBatchRows});
      if (sieve_.Ends(job)) rows = 0;
      if (!sieve_.Lets(job)) continue;
      *batch.messages.emplace_back().mutable_job() = ShowJob(job, fleet, reader, now);
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  if (rows < static_cast<size_t>(kWatchBatchRows)) {
    batch.messages.emplace_back().set_snapshot_complete(true);
    phase_ = Phase::kLive;
  }
  batch.more = true;
  return batch;
}

void JobWatch::Note(const Job& job) {
  if (!loop_.store().shared()) return;
  known_.Add(job.id.value);
  if (IsFinal(job.state)) {
    open_.erase(job.id);
  } else if (open_.size() < kWatchedJobsMax) {
    open_.insert(job.id);
  }
}

// Queues what another coordinator may have changed: the jobs that were open when they were sent,
// and those that are new. Ids are committed in no certain order.
absl::Status JobWatch::Look(StoreReader& reader) {
  std::vector<JobId> ids(open_.begin(), open_.end());
  JobId before;
  bool more = ids_.empty();
  for (int page = 0; more; ++page) {
    if (page == kWatchPagesMax) return absl::ResourceExhaustedError("too many jobs: call again");
    more = false;
    for (const Job& job : reader.ListJobs(filter_, before, kWatchBatchRows)) {
      before = job.id;
      if (job.id <= floor_ || !known_.Add(job.id.value)) continue;
      more = true;
      ids.push_back(job.id);
    }
  }
  absl::MutexLock lock(&mutex_);
  for (const JobId id : ids) {
    if (waiting_.insert(id).second) changed_.push_back(id);
  }
  return absl::OkStatus();
}

absl::StatusOr<JobWatch::Batch> JobWatch::Changes() {
  bool look = false;
  {
    absl::MutexLock lock(&mutex_);
    look = std::exchange(look_, false);
  }
  if (look) {
    absl::Status looked = loop_.store().Read([&](StoreReader& reader) { return Look(reader); });
    if (!looked.ok()) return looked;
  }
  std::vector<JobId> ids;
  {
    absl::MutexLock lock(&mutex_);
    if (overflow_) {
      return absl::ResourceExhaustedError(
          "the reader was too slow for the jobs that changed: call again");
    }
    while (!changed_.empty() && ids.size() < static_cast<size_t>(kWatchBatchRows)) {
      ids.push_back(changed_.front());
      waiting_.erase(changed_.front());
      changed_.pop_front();
    }
  }
  Batch batch;
  if (ids.empty()) return batch;
  batch.more = true;
  const Fleet fleet = CopyFleet(loop_);
  const absl::Time now = loop_.clock().Now();
  absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    for (const JobId id : ids) {
      const std::optional<Job> job = reader.GetJob(id);
      if (!job.has_value()) continue;
      Note(*job);
      if (!Wants(*job)) continue;
      *batch.messages.emplace_back().mutable_job() = ShowJob(*job, fleet, reader, now);
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return batch;
}

}  // namespace closewrite
