#include "tests/simulation/watched_transaction.h"

namespace closewrite::simulation {

JobId WatchedTransaction::InsertJob(const Job& job) {
  const JobId id = inner_.InsertJob(job);
  jobs_.insert(id);
  return id;
}

void WatchedTransaction::UpdateJob(const Job& job) {
  jobs_.insert(job.id);
  inner_.UpdateJob(job);
}

std::vector<Job> WatchedTransaction::Claim(const std::vector<Wish>& wishes) {
  std::vector<Job> jobs = inner_.Claim(wishes);
  std::erase_if(jobs, [this](const Job& job) { return lies_.HidesFromClaim(job); });
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
