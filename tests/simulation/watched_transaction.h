// A transaction that is looked at, and lied about.
#ifndef TESTS_SIMULATION_WATCHED_TRANSACTION_H_
#define TESTS_SIMULATION_WATCHED_TRANSACTION_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/coordinator/core/store.h"

namespace closewrite::simulation {

// What a transaction has written.
struct Changes {
  std::set<JobId> jobs;
  std::set<std::string> tasks;
  std::vector<std::string> requests;  // that were answered, in their order

  bool empty() const { return jobs.empty() && tasks.empty() && requests.empty(); }
};

// Passes everything on. Not thread-safe.
class WatchedTransaction final : public StoreTransaction {
 public:
  // What others have locked, as it seems to this transaction; and what a planted bug hides.
  class Lies {
   public:
    virtual ~Lies() = default;
    virtual bool HidesFromClaim(const Job& job) = 0;
    virtual bool HidesExpired(const SessionRecord& session) = 0;
    virtual bool HidesDue(const StoredTask& task) = 0;
    virtual bool RefusesLocks() = 0;
    virtual bool ForgetsLog() = 0;
    // What is written of a task in place of what should be.
    virtual StoredTask Bend(const StoredTask& kept, const StoredTask& task) = 0;
  };

  WatchedTransaction(StoreTransaction* inner, Lies* lies) : inner_(*inner), lies_(*lies) {}

  const Changes& changes() const { return changes_; }

  std::optional<Job> GetJob(JobId id) override { return inner_.GetJob(id); }
  std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) override {
    return inner_.ListJobs(filter, before, limit);
  }
  int64_t CountUnfinished(const std::string& pipeline) override {
    return inner_.CountUnfinished(pipeline);
  }
  int64_t CountAvailableBefore(const Job& job, int64_t limit) override {
    return inner_.CountAvailableBefore(job, limit);
  }
  std::vector<Job> LeasesOf(const SessionId& session) override { return inner_.LeasesOf(session); }
  std::vector<Attempt> ListAttempts(JobId id) override { return inner_.ListAttempts(id); }
  std::optional<Attempt> GetAttempt(const Lease& lease) override {
    return inner_.GetAttempt(lease);
  }
  int64_t LogLength(const Lease& lease) override { return inner_.LogLength(lease); }
  std::vector<LogRow> ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) override {
    return inner_.ReadLog(lease, offset, bytes_max);
  }
  std::vector<LogRow> ReadLogBefore(const Lease& lease, int64_t offset,
                                    int64_t bytes_max) override {
    return inner_.ReadLogBefore(lease, offset, bytes_max);
  }
  LogTotals GetLogTotals() override { return inner_.GetLogTotals(); }
  std::vector<StoredPipeline> ListPipelines() override { return inner_.ListPipelines(); }
  int64_t PipelinesVersion() override { return inner_.PipelinesVersion(); }
  std::vector<StoredTask> ListTasks(const std::string& after, int64_t limit) override {
    return inner_.ListTasks(after, limit);
  }
  std::optional<StoredTask> GetTask(const std::string& name) override {
    return inner_.GetTask(name);
  }
  std::vector<JobCount> CountJobs(int64_t limit) override { return inner_.CountJobs(limit); }
  int64_t CountTasks() override { return inner_.CountTasks(); }
  std::vector<std::string> AvailablePipelines(const std::string& prefix, int64_t limit) override {
    return inner_.AvailablePipelines(prefix, limit);
  }
  std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                      int64_t before, int64_t limit) override {
    return inner_.ListEvents(volume, path, before, limit);
  }
  std::vector<JobId> JobsOfEvent(int64_t event_id) override { return inner_.JobsOfEvent(event_id); }
  std::optional<EventRecord> LatestEvent(const std::string& volume,
                                         const std::string& path) override {
    return inner_.LatestEvent(volume, path);
  }
  std::vector<SessionRecord> ListSessions() override { return inner_.ListSessions(); }
  std::vector<Watcher> ListWatchers() override { return inner_.ListWatchers(); }
  std::vector<LockClaim> ListClaims() override { return inner_.ListClaims(); }
  std::vector<PointBatch> ReadPoints(int64_t limit) override { return inner_.ReadPoints(limit); }
  PointRange GetPointRange() override { return inner_.GetPointRange(); }
  std::optional<Increment> FindIncrement(const IncrementKey& key) override {
    return inner_.FindIncrement(key);
  }
  std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                        int64_t limit) override {
    return inner_.ListIncrements(job, after, limit);
  }
  std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                              int64_t limit) override {
    return inner_.ListLoads(filter, before, limit);
  }
  std::optional<Execution> FindExecution(const std::string& id) override {
    return inner_.FindExecution(id);
  }
  std::vector<Execution> ListExecutions(const ExecutionFilter& filter, const ExecutionPlace& before,
                                        int64_t limit) override {
    return inner_.ListExecutions(filter, before, limit);
  }
  std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                    int64_t limit) override {
    return inner_.ListAudit(filter, before, limit);
  }
  std::vector<Job> ListFinished(absl::Time since, const FinishedPlace& before,
                                int64_t limit) override {
    return inner_.ListFinished(since, before, limit);
  }
  std::vector<Job> ListFailed(const std::string& pipeline, absl::Time since,
                              int64_t limit) override {
    return inner_.ListFailed(pipeline, since, limit);
  }
  std::optional<Job> OldestAvailable(const std::string& pipeline) override {
    return inner_.OldestAvailable(pipeline);
  }
  std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                              int64_t limit) override {
    return inner_.ListNotes(kind, after, limit);
  }
  std::optional<std::string> FindNote(const std::string& kind, const std::string& key) override {
    return inner_.FindNote(kind, key);
  }
  int64_t CountNotes(const std::string& kind, int64_t limit) override {
    return inner_.CountNotes(kind, limit);
  }

  void Expect(const Expected& expected) override { inner_.Expect(expected); }
  JobId InsertJob(const Job& job) override;
  void UpdateJob(const Job& job) override;
  std::optional<Job> FindJobByKey(const std::string& key) override {
    return inner_.FindJobByKey(key);
  }
  std::optional<Job> LastInLine(const std::string& pipeline, const std::string& volume,
                                const std::string& path) override {
    return inner_.LastInLine(pipeline, volume, path);
  }
  std::vector<Job> Claim(const std::vector<Wish>& wishes) override;
  std::vector<Job> NextDue(absl::Time now, int64_t limit) override {
    return inner_.NextDue(now, limit);
  }
  absl::Time EarliestDue() override { return inner_.EarliestDue(); }
  std::vector<Job> Followers(JobId id) override { return inner_.Followers(id); }
  void PutAttempt(const Attempt& attempt) override { inner_.PutAttempt(attempt); }
  int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) override;
  int64_t EraseLogRows(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) override {
    return inner_.EraseLogRows(lease, from, to, rows_max);
  }
  void ReplaceLogRows(const Lease& lease, const LogRow& row) override {
    inner_.ReplaceLogRows(lease, row);
  }
  KeptLog MeasureLog(const Lease& lease) override { return inner_.MeasureLog(lease); }
  void OpenLog(const Lease& lease) override { inner_.OpenLog(lease); }
  std::vector<OpenedLog> OpenLogs(const Lease& after, int64_t limit) override {
    return inner_.OpenLogs(after, limit);
  }
  std::vector<OpenedLog> ClosedLogs(absl::Time before, int64_t limit) override {
    return inner_.ClosedLogs(before, limit);
  }
  void SaveLog(const KeptLog& log, const KeptLog& as) override { inner_.SaveLog(log, as); }
  void DropLog(const KeptLog& log) override { inner_.DropLog(log); }
  int64_t InsertEvent(const EventRecord& record) override { return inner_.InsertEvent(record); }
  void PutPipeline(const StoredPipeline& pipeline) override { inner_.PutPipeline(pipeline); }
  void DeletePipeline(const std::string& name) override { inner_.DeletePipeline(name); }
  void PutTask(const StoredTask& task) override;
  void DeleteTask(const std::string& name) override;
  std::vector<StoredTask> DueTasks(absl::Time now, int64_t limit) override;
  absl::Time EarliestTaskDue() override { return inner_.EarliestTaskDue(); }
  std::optional<SessionRecord> FindSession(const SessionId& id) override {
    return inner_.FindSession(id);
  }
  void PutSession(const SessionRecord& session) override { inner_.PutSession(session); }
  void EraseSession(const SessionId& id) override { inner_.EraseSession(id); }
  std::vector<SessionRecord> ExpiredSessions(absl::Time now, int64_t limit) override;
  std::optional<Watcher> FindWatcher(const std::string& host) override {
    return inner_.FindWatcher(host);
  }
  void PutWatcher(const Watcher& watcher) override { inner_.PutWatcher(watcher); }
  bool MayGrantLocks() override { return inner_.MayGrantLocks() && !lies_.RefusesLocks(); }
  void PutClaim(const LockClaim& claim) override { inner_.PutClaim(claim); }
  void EraseClaim(const std::string& lock, const std::string& holder) override {
    inner_.EraseClaim(lock, holder);
  }
  void EraseClaimsOf(const std::string& holder) override { inner_.EraseClaimsOf(holder); }
  bool TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) override {
    return inner_.TakeTurn(duty, now, every);
  }
  std::optional<std::string> FindRequest(const std::string& request_id) override {
    return inner_.FindRequest(request_id);
  }
  void RecordRequest(const std::string& request_id, const std::string& answer,
                     absl::Time now) override;
  void ForgetRequests(absl::Time before) override { inner_.ForgetRequests(before); }
  void AppendPoints(int64_t count, std::string_view lines) override {
    inner_.AppendPoints(count, lines);
  }
  int64_t ErasePoints(const std::vector<int64_t>& ids) override { return inner_.ErasePoints(ids); }
  void PutIncrement(const Increment& increment) override { inner_.PutIncrement(increment); }
  void AppendLoad(const Load& load) override { inner_.AppendLoad(load); }
  int64_t PruneLoads(absl::Time before, int64_t limit) override {
    return inner_.PruneLoads(before, limit);
  }
  void PutExecution(const Execution& execution) override { inner_.PutExecution(execution); }
  int64_t PruneExecutions(absl::Time before, int64_t limit) override {
    return inner_.PruneExecutions(before, limit);
  }
  void PutNote(const std::string& kind, const Note& note) override { inner_.PutNote(kind, note); }
  void EraseNote(const std::string& kind, const std::string& key) override {
    inner_.EraseNote(kind, key);
  }
  void AppendAudit(const AuditEntry& entry) override { inner_.AppendAudit(entry); }
  int64_t PruneAudit(absl::Time before, int64_t limit) override {
    return inner_.PruneAudit(before, limit);
  }
  int64_t Prune(absl::Time before, int64_t limit) override { return inner_.Prune(before, limit); }

 private:
  StoreTransaction& inner_;
  Lies& lies_;
  Changes changes_;
};

}  // namespace closewrite::simulation

#endif  // TESTS_SIMULATION_WATCHED_TRANSACTION_H_
