#include "services/coordinator/core/attempts.h"

namespace closewrite {
namespace {

Attempt WithLog(StoreReader& reader, Attempt attempt) {
  attempt.log_bytes = reader.LogLength(Lease{attempt.job, attempt.token});
  return attempt;
}

}  // namespace

std::vector<Attempt> AttemptsOf(StoreReader& reader, const Job& job) {
  std::vector<Attempt> attempts = reader.ListAttempts(job.id);
  if (job.state == JobState::kRunning) attempts.push_back(WithLog(reader, LiveAttempt(job)));
  return attempts;
}

std::optional<Attempt> AttemptOf(StoreReader& reader, const Job& job, FencingToken token) {
  if (job.state == JobState::kRunning && job.token == token) {
    return WithLog(reader, LiveAttempt(job));
  }
  return reader.GetAttempt(Lease{job.id, token});
}

}  // namespace closewrite
