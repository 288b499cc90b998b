// Whether everything goes on: silent executors lose their leases, available jobs find their slot.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/core/waiting.h"
#include "tests/simulation/checker.h"

namespace closewrite::simulation {

void Checker::Sample(absl::Duration quiet_since) {
  able_since_ = std::max(able_since_, std::min(quiet_since, world().now()));
  CheckExpiry();
  CheckStarvation(quiet_since);
  Read([&](StoreReader& reader) { tasks_.Sample(reader, quiet_since); });
}

void Checker::CheckExpiry() {
  const absl::Duration limit = options_.session_ttl + kExpirySlack;
  for (const JobId id : unfinished_) {
    if (seen_.at(id).state != JobState::kRunning) continue;
    const std::optional<Job> job = Get(id);
    if (!job.has_value() || job->state != JobState::kRunning) continue;
    const absl::Duration heard = std::max(heard_[job->session], able_since_);
    if (world().now() - heard <= limit) continue;
    Fail("expiry", absl::StrCat("job ", id.value, "/", job->token.value, " is RUNNING on ",
                                job->executor, ", which was not heard of for ",
                                absl::FormatDuration(world().now() - heard)));
  }
}

void Checker::CheckStarvation(absl::Duration quiet_since) {
  if (world().now() - quiet_since < kLeaseSlack) {
    starving_since_.clear();
    return;
  }
  std::set<JobId> starving;
  Read([&](StoreReader& reader) {
    const std::vector<SessionRecord> sessions = reader.ListSessions();
    std::map<SessionId, int64_t> leased;
    for (const SessionRecord& session : sessions) {
      leased[session.id] = static_cast<int64_t>(reader.LeasesOf(session.id).size());
    }
    for (const auto& [name, jobs] : available_) {
      const Pipeline* const pipeline = jobs.empty() ? nullptr : Current(reader, name);
      // Who waits for locks is a matter of their holders, and of who came first.
      if (pipeline == nullptr || !pipeline->locks.empty()) continue;
      const bool could = std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) {
        const bool fresh = world().now() - heard_[session.id] < options_.session_ttl / 2;
        return fresh && session.connected() && !session.draining &&
               leased[session.id] < session.executor.slots && CouldRun(reader, session, *pipeline);
      });
      if (could) starving.insert(jobs.begin(), jobs.end());
    }
  });
  std::erase_if(starving_since_, [&](const auto& each) { return !starving.contains(each.first); });
  for (const JobId id : starving) {
    const absl::Duration since = starving_since_.emplace(id, world().now()).first->second;
    if (world().now() - since <= kLeaseSlack) continue;
    Fail("starvation",
         absl::StrCat("a slot was free for ", absl::FormatDuration(world().now() - since), ", and ",
                      Describe(id)));
  }
}

std::string Checker::Describe(JobId id) {
  const std::optional<Job> job = Get(id);
  if (!job.has_value()) return absl::StrCat("job ", id.value, " is not there");
  return absl::StrCat("job ", id.value, "/", job->token.value, " of ", job->pipeline, " for ",
                      job->input.volume, ":", job->input.path, " is ", StateName(job->state),
                      ", executor ", job->executor, ", after ", job->after.value, ", attempts ",
                      job->attempts, ", message '", job->message, "'");
}

}  // namespace closewrite::simulation
