#include "tests/simulation/watched_transaction.h"

namespace closewrite::simulation {
namespace {

// Rows of a pipeline that others may have locked at once.
constexpr int64_t kLockedRowsMax = 8;

}  // namespace

JobId WatchedTransaction::InsertJob(const Job& job) {
  const JobId id = inner_.InsertJob(job);
  changes_.jobs.insert(id);
  return id;
}

void WatchedTransaction::UpdateJob(const Job& job) {
  changes_.jobs.insert(job.id);
  inner_.UpdateJob(job);
}

// As SKIP LOCKED does: what is locked is passed over, and does not count.
std::vector<Job> WatchedTransaction::Claim(const std::vector<Wish>& wishes) {
  std::vector<Job> jobs;
  for (const Wish& wish : wishes) {
    int64_t left = wish.limit;
    for (Job& job : inner_.Claim({{wish.pipeline, wish.limit + kLockedRowsMax}})) {
      if (left <= 0) break;
      if (lies_.HidesFromClaim(job)) continue;
      --left;
      jobs.push_back(std::move(job));
    }
  }
  return jobs;
}

std::vector<SessionRecord> WatchedTransaction::ExpiredSessions(absl::Time now, int64_t limit) {
  std::vector<SessionRecord> sessions = inner_.ExpiredSessions(now, limit);
  std::erase_if(sessions, [this](const SessionRecord& each) { return lies_.HidesExpired(each); });
  return sessions;
}

void WatchedTransaction::PutTask(const StoredTask& task) {
  changes_.tasks.insert(task.name);
  const std::optional<StoredTask> kept = inner_.GetTask(task.name);
  inner_.PutTask(kept.has_value() ? lies_.Bend(*kept, task) : task);
}

void WatchedTransaction::DeleteTask(const std::string& name) {
  changes_.tasks.insert(name);
  inner_.DeleteTask(name);
}

std::vector<StoredTask> WatchedTransaction::DueTasks(absl::Time now, int64_t limit) {
  std::vector<StoredTask> tasks = inner_.DueTasks(now, limit);
  std::erase_if(tasks, [this](const StoredTask& each) { return lies_.HidesDue(each); });
  return tasks;
}

void WatchedTransaction::RecordRequest(const std::string& request_id, const std::string& answer,
                                       absl::Time now) {
  changes_.requests.push_back(request_id);
  inner_.RecordRequest(request_id, answer, now);
}

int64_t WatchedTransaction::AppendLog(const Lease& lease, int64_t offset, std::string_view data) {
  if (!lies_.ForgetsLog()) return inner_.AppendLog(lease, offset, data);
  return offset + static_cast<int64_t>(data.size());
}

}  // namespace closewrite::simulation
