#include "services/coordinator/store/fake_prune.h"

#include <map>
#include <set>

#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/job.h"

namespace closewrite {
namespace {

// What the unfinished jobs name.
struct Named {
  std::set<JobId> jobs;
  std::set<int64_t> events;
};

Named NamedByUnfinished(const FakeTables& tables) {
  Named named;
  for (const auto& [id, job] : tables.jobs()) {
    if (IsFinal(job.state)) continue;
    named.jobs.insert(job.after);
    named.jobs.insert(JobId{job.caused_by_job});
    named.events.insert(job.event_id);
  }
  return named;
}

FakeTables::PathKey PathOf(const FileVersion& file) { return {file.volume, file.path}; }

bool IsNewestOfAFileThatIsThere(const FakeTables& tables, int64_t event_id) {
  const auto found = tables.events().find(event_id);
  if (found == tables.events().end() || !IsThere(found->second.event)) return false;
  return tables.LatestEvent(PathOf(found->second.event.file))->id == event_id;
}

// A job of what the file is now.
bool IsOfAFileThatIsThere(const FakeTables& tables, const Job& job) {
  const EventRecord* const latest = tables.LatestEvent(PathOf(job.input));
  return latest != nullptr && IsThere(latest->event) && latest->event.file == job.input;
}

}  // namespace

std::vector<JobId> ForgettableJobs(const FakeTables& tables, absl::Time before, int64_t limit) {
  const Named named = NamedByUnfinished(tables);
  std::vector<JobId> ids;
  for (const auto& [id, job] : tables.jobs()) {
    if (static_cast<int64_t>(ids.size()) >= limit) break;
    if (!IsFinal(job.state) || job.finished_at >= before || named.jobs.count(id) != 0) continue;
    if (IsNewestOfAFileThatIsThere(tables, job.event_id)) continue;
    if (IsOfAFileThatIsThere(tables, job)) continue;
    ids.push_back(id);
  }
  return ids;
}

std::vector<int64_t> ForgettableEvents(const FakeTables& tables, absl::Time before, int64_t limit) {
  const Named named = NamedByUnfinished(tables);
  // The paths of which an event stays.
  std::set<FakeTables::PathKey> stays;
  std::vector<int64_t> ids;
  for (const auto& [id, record] : tables.events()) {
    if (static_cast<int64_t>(ids.size()) >= limit) break;
    const FakeTables::PathKey path = PathOf(record.event.file);
    const bool newest = tables.LatestEvent(path)->id == id;
    if (record.received_at >= before || named.events.count(id) != 0 ||
        (newest && (IsThere(record.event) || stays.count(path) != 0))) {
      stays.insert(path);
      continue;
    }
    ids.push_back(id);
  }
  return ids;
}

}  // namespace closewrite
