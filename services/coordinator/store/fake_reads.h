// What the fake store reads.
#ifndef SERVICES_COORDINATOR_STORE_FAKE_READS_H_
#define SERVICES_COORDINATOR_STORE_FAKE_READS_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/fake_tables.h"
#include "services/coordinator/store/job_filter.h"

namespace closewrite {

// Before all leases of a job.
inline Lease LowestLease(JobId id) {
  return {id, FencingToken{std::numeric_limits<int64_t>::min()}};
}

// The reads of `Interface`, which is StoreReader or StoreTransaction.
template <class Interface>
class FakeReads : public Interface {
 public:
  explicit FakeReads(const FakeTables* tables) : tables_(tables) {}
  const absl::Status& status() const { return status_; }

  std::optional<Job> GetJob(JobId id) override { return Copy(tables_->FindJob(id)); }

  std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) override {
    std::vector<Job> jobs;
    if (!status_.ok()) return jobs;
    const auto end = tables_->jobs().lower_bound(JobId{Below(before.value)});
    for (auto it = std::make_reverse_iterator(end); it != tables_->jobs().rend(); ++it) {
      if (static_cast<int64_t>(jobs.size()) >= limit) break;
      if (Matches(filter, it->second)) jobs.push_back(it->second);
    }
    return jobs;
  }

  int64_t CountUnfinished(const std::string& pipeline) override {
    return status_.ok() ? static_cast<int64_t>(tables_->Unfinished(pipeline).size()) : 0;
  }

  int64_t CountAvailableBefore(const Job& job, int64_t limit) override {
    if (!status_.ok() || limit <= 0) return 0;
    const std::set<FakeTables::Place>& available = tables_->Available(job.pipeline);
    const auto end = available.lower_bound({job.priority, job.id});
    return std::min<int64_t>(limit, std::distance(available.begin(), end));
  }

  std::vector<Job> LeasesOf(const SessionId& session) override {
    std::vector<Job> jobs;
    if (!status_.ok()) return jobs;
    for (const JobId id : tables_->Running(session)) jobs.push_back(*tables_->FindJob(id));
    return jobs;
  }

  std::vector<Attempt> ListAttempts(JobId id) override {
    std::vector<Attempt> attempts;
    if (!status_.ok()) return attempts;
    for (auto it = tables_->attempts.lower_bound(LowestLease(id));
         it != tables_->attempts.end() && it->first.job == id; ++it) {
      attempts.push_back(WithLog(it->second));
    }
    return attempts;
  }

  std::optional<Attempt> GetAttempt(const Lease& lease) override {
    const auto found = tables_->attempts.find(lease);
    if (!status_.ok() || found == tables_->attempts.end()) return std::nullopt;
    return WithLog(found->second);
  }

  int64_t LogLength(const Lease& lease) override {
    return status_.ok() ? tables_->logs.Length(lease) : 0;
  }

  std::vector<LogRow> ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) override {
    if (!status_.ok()) return {};
    return tables_->logs.Read(lease, offset, bytes_max);
  }

  std::vector<LogRow> ReadLogBefore(const Lease& lease, int64_t offset,
                                    int64_t bytes_max) override {
    if (!status_.ok()) return {};
    return tables_->logs.ReadBefore(lease, offset, bytes_max);
  }

  LogTotals GetLogTotals() override { return status_.ok() ? tables_->logs.totals() : LogTotals(); }

  std::vector<StoredPipeline> ListPipelines() override {
    std::vector<StoredPipeline> pipelines;
    if (!status_.ok()) return pipelines;
    for (const auto& [name, pipeline] : tables_->pipelines) pipelines.push_back(pipeline);
    return pipelines;
  }

  int64_t PipelinesVersion() override { return status_.ok() ? tables_->pipelines_version : 0; }

  std::vector<StoredTask> ListTasks(const std::string& after, int64_t limit) override {
    std::vector<StoredTask> tasks;
    if (!status_.ok()) return tasks;
    for (auto it = tables_->tasks.upper_bound(after); it != tables_->tasks.end(); ++it) {
      if (static_cast<int64_t>(tasks.size()) >= limit) break;
      tasks.push_back(it->second);
    }
    return tasks;
  }

  std::optional<StoredTask> GetTask(const std::string& name) override {
    const auto found = tables_->tasks.find(name);
    if (!status_.ok() || found == tables_->tasks.end()) return std::nullopt;
    return found->second;
  }

  std::vector<JobCount> CountJobs(int64_t) override {
    std::map<std::pair<std::string, JobState>, int64_t> counts;
    if (!status_.ok()) return {};
    for (const auto& [id, job] : tables_->jobs()) {
      const bool counted = !IsFinal(job.state) || job.state == JobState::kFailed;
      if (counted) ++counts[{job.pipeline, job.state}];
    }
    std::vector<JobCount> list;
    for (const auto& [key, count] : counts) list.push_back({key.first, key.second, count});
    return list;
  }

  int64_t CountTasks() override {
    return status_.ok() ? static_cast<int64_t>(tables_->tasks.size()) : 0;
  }

  std::vector<std::string> AvailablePipelines(const std::string& prefix, int64_t limit) override {
    std::vector<std::string> names;
    if (!status_.ok()) return names;
    const auto& available = tables_->available();
    for (auto it = available.lower_bound(prefix); it != available.end(); ++it) {
      const bool all = it->first.compare(0, prefix.size(), prefix) != 0;
      if (all || static_cast<int64_t>(names.size()) >= limit) break;
      if (!it->second.empty()) names.push_back(it->first);
    }
    return names;
  }

  std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                      int64_t before, int64_t limit) override {
    std::vector<EventRecord> events;
    if (!status_.ok()) return events;
    const auto end = tables_->events().lower_bound(Below(before));
    for (auto it = std::make_reverse_iterator(end); it != tables_->events().rend(); ++it) {
      if (static_cast<int64_t>(events.size()) >= limit) break;
      const FileVersion& file = it->second.event.file;
      if (!volume.empty() && file.volume != volume) continue;
      if (!volume.empty() && !path.empty() && file.path != path) continue;
      events.push_back(it->second);
    }
    return events;
  }

  std::vector<JobId> JobsOfEvent(int64_t event_id) override {
    if (!status_.ok()) return {};
    const std::set<JobId>& ids = tables_->JobsOfEvent(event_id);
    return {ids.begin(), ids.end()};
  }

  std::optional<EventRecord> LatestEvent(const std::string& volume,
                                         const std::string& path) override {
    const EventRecord* const latest = tables_->LatestEvent({volume, path});
    if (!status_.ok() || latest == nullptr) return std::nullopt;
    return *latest;
  }

  std::vector<SessionRecord> ListSessions() override { return Values(tables_->sessions); }
  std::vector<Watcher> ListWatchers() override { return Values(tables_->watchers); }
  std::vector<LockClaim> ListClaims() override { return Values(tables_->claims); }

  std::vector<PointBatch> ReadPoints(int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ReadPoints(limit);
  }

  PointRange GetPointRange() override {
    return status_.ok() ? tables_->monitoring.GetPointRange() : PointRange();
  }

  std::optional<Increment> FindIncrement(const IncrementKey& key) override {
    return Copy(tables_->monitoring.FindIncrement(key));
  }

  std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                        int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ListIncrements(job, after, limit);
  }

  std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                              int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ListLoads(filter, before, limit);
  }

  std::optional<Execution> FindExecution(const std::string& id) override {
    return Copy(tables_->monitoring.FindExecution(id));
  }

  std::vector<Execution> ListExecutions(const ExecutionFilter& filter, const ExecutionPlace& before,
                                        int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ListExecutions(filter, before, limit);
  }

  std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                    int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ListAudit(filter, before, limit);
  }

  std::vector<Job> ListFinished(absl::Time since, const FinishedPlace& before,
                                int64_t limit) override {
    return NewestOf(tables_->finished(), since, before, limit);
  }

  std::vector<Job> ListFailed(const std::string& pipeline, absl::Time since,
                              int64_t limit) override {
    return NewestOf(tables_->Failed(pipeline), since, {}, limit);
  }

  std::optional<Job> OldestAvailable(const std::string& pipeline) override {
    const std::set<FakeTables::Place>& available = tables_->Available(pipeline);
    std::set<JobId> oldest;  // of each priority
    for (auto place = available.begin();
         place != available.end() && static_cast<int64_t>(oldest.size()) < kPrioritiesMax;
         place = available.upper_bound({place->priority, JobId{Below(0)}})) {
      oldest.insert(place->id);
    }
    return Copy(oldest.empty() ? nullptr : tables_->FindJob(*oldest.begin()));
  }

  std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                              int64_t limit) override {
    if (!status_.ok()) return {};
    return tables_->monitoring.ListNotes(kind, after, limit);
  }

  std::optional<std::string> FindNote(const std::string& kind, const std::string& key) override {
    return Copy(tables_->monitoring.FindNote(kind, key));
  }

  int64_t CountNotes(const std::string& kind, int64_t limit) override {
    return status_.ok() ? tables_->monitoring.CountNotes(kind, limit) : 0;
  }

 protected:
  // 0 stands for "from the newest".
  static int64_t Below(int64_t before) {
    return before == 0 ? std::numeric_limits<int64_t>::max() : before;
  }

  bool ok() const { return status_.ok(); }
  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  template <class Row>
  std::optional<Row> Copy(const Row* row) const {
    if (!status_.ok() || row == nullptr) return std::nullopt;
    return *row;
  }

 private:
  Attempt WithLog(Attempt attempt) {
    attempt.log_bytes = LogLength(Lease{attempt.job, attempt.token});
    return attempt;
  }
  std::vector<Job> NewestOf(const std::set<FakeTables::TimeKey>& finished, absl::Time since,
                            const FinishedPlace& before, int64_t limit) const {
    std::vector<Job> jobs;
    if (!status_.ok()) return jobs;
    const auto end = finished.lower_bound({before.finished_at, before.id});
    for (auto it = std::make_reverse_iterator(end); it != finished.rend(); ++it) {
      if (it->first < since || static_cast<int64_t>(jobs.size()) >= limit) break;
      jobs.push_back(*tables_->FindJob(it->second));
    }
    return jobs;
  }
  template <class Map>
  std::vector<typename Map::mapped_type> Values(const Map& map) const {
    std::vector<typename Map::mapped_type> values;
    if (!status_.ok()) return values;
    for (const auto& [key, value] : map) values.push_back(value);
    return values;
  }

  const FakeTables* const tables_;
  absl::Status status_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_FAKE_READS_H_
