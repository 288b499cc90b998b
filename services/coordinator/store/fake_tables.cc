#include "services/coordinator/store/fake_tables.h"

#include "services/coordinator/store/copy_row.h"

namespace closewrite {
namespace {

template <class Map>
const typename Map::mapped_type& GetOrEmpty(const Map& map, const typename Map::key_type& key) {
  static const auto* const kEmpty = new typename Map::mapped_type;
  const auto found = map.find(key);
  return found == map.end() ? *kEmpty : found->second;
}

bool IsDueSometime(const Job& job) {
  return (job.state == JobState::kScheduled || job.state == JobState::kRetrying) &&
         job.after == JobId{};
}

}  // namespace

void FakeTables::PutJob(const Job& job) {
  EraseJob(job.id);
  jobs_[job.id] = job;
  jobs_by_key_[job.key] = job.id;
  if (job.state == JobState::kAvailable) available_[job.pipeline].insert({job.priority, job.id});
  if (job.state == JobState::kRunning) running_[job.session].insert(job.id);
  if (!IsFinal(job.state)) unfinished_[job.pipeline].insert(job.id);
  if (IsFinal(job.state)) finished_.insert({job.finished_at, job.id});
  if (job.state == JobState::kFailed) failed_[job.pipeline].insert({job.finished_at, job.id});
  if (job.after != JobId{}) followers_[job.after].insert(job.id);
  if (job.event_id != 0) jobs_of_event_[job.event_id].insert(job.id);
  if (IsDueSometime(job)) due_.insert({job.due_at, job.id});
}

void FakeTables::EraseJob(JobId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const Job& job = found->second;
  jobs_by_key_.erase(job.key);
  available_[job.pipeline].erase({job.priority, id});
  running_[job.session].erase(id);
  unfinished_[job.pipeline].erase(id);
  finished_.erase({job.finished_at, id});
  failed_[job.pipeline].erase({job.finished_at, id});
  if (job.after != JobId{}) followers_[job.after].erase(id);
  if (job.event_id != 0) jobs_of_event_[job.event_id].erase(id);
  due_.erase({job.due_at, id});
  jobs_.erase(found);
}

void FakeTables::PutEvent(const EventRecord& record) {
  events_[record.id] = record;
  events_of_path_[{record.event.file.volume, record.event.file.path}].insert(record.id);
  sequences_.insert({record.ledger_id, record.event.sequence});
}

void FakeTables::EraseEvent(int64_t id) {
  const auto found = events_.find(id);
  if (found == events_.end()) return;
  const EventRecord& record = found->second;
  events_of_path_[{record.event.file.volume, record.event.file.path}].erase(id);
  sequences_.erase({record.ledger_id, record.event.sequence});
  events_.erase(found);
}

void FakeTables::CopyRows(const FakeTables& from, const Touched& touched) {
  // All go before any comes: a key may have moved from one job to another.
  for (const JobId id : touched.jobs) EraseJob(id);
  for (const JobId id : touched.jobs) {
    if (const Job* const job = from.FindJob(id); job != nullptr) PutJob(*job);
  }
  for (const int64_t id : touched.events) {
    const auto found = from.events_.find(id);
    if (found == from.events_.end()) {
      EraseEvent(id);
    } else {
      PutEvent(found->second);
    }
  }
  for (const Lease& lease : touched.attempts) {
    CopyRow(from.attempts, lease, &attempts);
    logs.Copy(from.logs, lease);
  }
  for (const std::string& name : touched.pipelines) CopyRow(from.pipelines, name, &pipelines);
  for (const std::string& name : touched.tasks) CopyRow(from.tasks, name, &tasks);
  for (const std::string& id : touched.requests) CopyRow(from.requests, id, &requests);
  for (const SessionId& id : touched.sessions) CopyRow(from.sessions, id, &sessions);
  for (const std::string& host : touched.watchers) CopyRow(from.watchers, host, &watchers);
  for (const auto& key : touched.claims) CopyRow(from.claims, key, &claims);
  for (const std::string& duty : touched.turns) CopyRow(from.turns, duty, &turns);
  monitoring.CopyRows(from.monitoring, touched.monitoring);
  pipelines_version = from.pipelines_version;
  last_job_id = from.last_job_id;
  last_event_id = from.last_event_id;
}

const Job* FakeTables::FindJob(JobId id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

const Job* FakeTables::FindJobByKey(const std::string& key) const {
  const auto found = jobs_by_key_.find(key);
  return found == jobs_by_key_.end() ? nullptr : FindJob(found->second);
}

const std::set<FakeTables::Place>& FakeTables::Available(const std::string& pipeline) const {
  return GetOrEmpty(available_, pipeline);
}

const std::set<JobId>& FakeTables::Unfinished(const std::string& pipeline) const {
  return GetOrEmpty(unfinished_, pipeline);
}

const std::set<FakeTables::TimeKey>& FakeTables::Failed(const std::string& pipeline) const {
  return GetOrEmpty(failed_, pipeline);
}

const std::set<JobId>& FakeTables::Followers(JobId id) const { return GetOrEmpty(followers_, id); }

const std::set<JobId>& FakeTables::Running(const SessionId& session) const {
  return GetOrEmpty(running_, session);
}

const std::set<JobId>& FakeTables::JobsOfEvent(int64_t event_id) const {
  return GetOrEmpty(jobs_of_event_, event_id);
}

const std::set<int64_t>& FakeTables::EventsOfPath(const PathKey& path) const {
  return GetOrEmpty(events_of_path_, path);
}

const EventRecord* FakeTables::LatestEvent(const PathKey& path) const {
  const std::set<int64_t>& ids = EventsOfPath(path);
  return ids.empty() ? nullptr : &events_.at(*ids.rbegin());
}

}  // namespace closewrite
