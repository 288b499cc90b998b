#include "tests/simulation/watched_transaction.h"

namespace closewrite::simulation {
namespace {

// Rows of a pipeline that others may have locked at once.
constexpr int64_t kLockedRowsMax = 8;

}  // namespace

JobId WatchedTransaction::InsertJob(const Job& job) {
  const JobId id = inner_.InsertJob(job);
  jobs_.insert(id);
  return id;
}

void WatchedTransaction::UpdateJob(const Job& job) {
  jobs_.insert(job.id);
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

int64_t WatchedTransaction::AppendLog(const Lease& lease, int64_t offset, std::string_view data) {
  if (!lies_.ForgetsLog()) return inner_.AppendLog(lease, offset, data);
  return offset + static_cast<int64_t>(data.size());
}

}  // namespace closewrite::simulation
