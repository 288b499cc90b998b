// The queries of the SQLite store.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_READER_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_job_list.h"
#include "services/coordinator/store/sqlite_monitoring_rows.h"

namespace closewrite {

// The reads of `Interface`, which is StoreReader or StoreTransaction, over one connection on which
// a transaction is open. Not thread-safe.
template <class Interface>
class SqliteReads : public Interface {
 public:
  // `connection` must outlive it.
  explicit SqliteReads(SqliteConnection* connection) : connection_(connection) {}

  // The first failure.
  const absl::Status& status() const { return status_; }

  std::optional<Job> GetJob(JobId id) override;
  std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) override;
  int64_t CountUnfinished(const std::string& pipeline) override;
  int64_t CountAvailableBefore(const Job& job, int64_t limit) override;
  std::vector<Job> LeasesOf(const SessionId& session) override;
  std::vector<Attempt> ListAttempts(JobId id) override;
  std::optional<Attempt> GetAttempt(const Lease& lease) override;
  int64_t LogLength(const Lease& lease) override;
  std::vector<LogRow> ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) override;
  std::vector<LogRow> ReadLogBefore(const Lease& lease, int64_t offset, int64_t bytes_max) override;
  LogTotals GetLogTotals() override;
  std::vector<StoredPipeline> ListPipelines() override;
  int64_t PipelinesVersion() override;
  std::vector<StoredTask> ListTasks(const std::string& after, int64_t limit) override;
  std::optional<StoredTask> GetTask(const std::string& name) override;
  std::vector<JobCount> CountJobs(int64_t limit) override;
  int64_t CountTasks() override;
  std::vector<std::string> AvailablePipelines(const std::string& prefix, int64_t limit) override;
  std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                      int64_t before, int64_t limit) override;
  std::vector<JobId> JobsOfEvent(int64_t event_id) override;
  std::optional<EventRecord> LatestEvent(const std::string& volume,
                                         const std::string& path) override;
  std::vector<SessionRecord> ListSessions() override;
  std::vector<Watcher> ListWatchers() override;
  std::vector<LockClaim> ListClaims() override;
  std::vector<PointBatch> ReadPoints(int64_t limit) override {
    return ReadPointBatches(connection_, limit, &status_);
  }
  PointRange GetPointRange() override { return ReadPointRange(connection_, &status_); }
  std::optional<Increment> FindIncrement(const IncrementKey& key) override {
    return ReadIncrement(connection_, key, &status_);
  }
  std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                        int64_t limit) override {
    return ReadIncrements(connection_, job, after, limit, &status_);
  }
  std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                              int64_t limit) override {
    return ReadLoads(connection_, filter, before, limit, &status_);
  }
  std::optional<Execution> FindExecution(const std::string& id) override {
    return ReadExecution(connection_, id, &status_);
  }
  std::vector<Execution> ListExecutions(const ExecutionFilter& filter, const ExecutionPlace& before,
                                        int64_t limit) override {
    return ReadExecutions(connection_, filter, before, limit, &status_);
  }
  std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                    int64_t limit) override {
    return ReadAudit(connection_, filter, before, limit, &status_);
  }
  std::vector<Job> ListFinished(absl::Time since, const FinishedPlace& before,
                                int64_t limit) override {
    return ReadFinishedJobs(connection_, since, before, limit, &status_);
  }
  std::vector<Job> ListFailed(const std::string& pipeline, absl::Time since,
                              int64_t limit) override {
    return ReadFailedJobs(connection_, pipeline, since, limit, &status_);
  }
  std::optional<Job> OldestAvailable(const std::string& pipeline) override {
    const JobId id = ReadOldestAvailable(connection_, pipeline, &status_);
    return id == JobId{} ? std::nullopt : this->GetJob(id);
  }
  std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                              int64_t limit) override {
    return ReadNotes(connection_, kind, after, limit, &status_);
  }
  std::optional<std::string> FindNote(const std::string& kind, const std::string& key) override {
    return ReadNote(connection_, kind, key, &status_);
  }
  int64_t CountNotes(const std::string& kind, int64_t limit) override {
    return ReadNoteCount(connection_, kind, limit, &status_);
  }

 protected:
  SqliteConnection* connection() { return connection_; }
  absl::Status* sticky_status() { return &status_; }

  // All rows of a bound query; nothing after a failure.
  std::vector<Job> ReadJobs(SqliteQuery* query);
  std::optional<Job> ReadOneJob(SqliteQuery* query);

  // The number of a file that has a row; 0: it has none.
  int64_t FindFile(const std::string& volume, const std::string& path);
  // What FindFile has found; to be kept up to date by who makes and removes rows.
  absl::flat_hash_map<std::pair<std::string, std::string>, int64_t>* files() { return &files_; }

 private:
  std::vector<Job> ListJobsByIds(const JobFilter& filter, JobId before, int64_t limit);
  std::vector<Job> ListJobsByStates(const JobFilter& filter, JobId before, int64_t limit);
  int64_t LastChunk(const Lease& lease, int64_t offset);
  std::vector<LogRow> ReadChunks(const Lease& lease, int64_t first, int64_t offset, int64_t end);

  SqliteConnection* const connection_;
  absl::Status status_;
  // By volume and path. It lives as long as the transaction, and so holds what one batch names.
  absl::flat_hash_map<std::pair<std::string, std::string>, int64_t> files_;
};

using SqliteReader = SqliteReads<StoreReader>;

extern template class SqliteReads<StoreReader>;
extern template class SqliteReads<StoreTransaction>;

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_READER_H_
