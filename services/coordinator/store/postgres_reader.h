// The queries of the PostgreSQL store.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_READER_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_job_list.h"
#include "services/coordinator/store/postgres_monitoring_rows.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

// The reads of `Interface`, which is StoreReader or StoreTransaction, over one connection on which
// a transaction is open. Each is one round trip and locks nothing. Not thread-safe.
template <class Interface>
class PostgresReads : public Interface {
 public:
  // `connection` must outlive it.
  explicit PostgresReads(PostgresConnection* connection) : connection_(connection) {}

  // The first failure.
  const absl::Status& status() const { return status_; }

  absl::Time Now(absl::Time) override { return now_; }
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
    return PointBatchesOf(Ask(PointsQuery(limit)));
  }
  PointRange GetPointRange() override { return PointRangeOf(Ask(PointRangeQuery())); }
  std::optional<Increment> FindIncrement(const IncrementKey& key) override {
    return FirstOrNone(IncrementsOf(Ask(IncrementQuery(key, /*lock=*/false))));
  }
  std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                        int64_t limit) override {
    return IncrementsOf(Ask(IncrementsQuery(job, after, limit)));
  }
  std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                              int64_t limit) override {
    return LoadsOf(Ask(LoadsQuery(filter, before, limit)));
  }
  std::optional<Execution> FindExecution(const std::string& id) override {
    return FirstOrNone(ExecutionsOf(Ask(ExecutionQuery(id, /*lock=*/false))));
  }
  std::vector<Execution> ListExecutions(const ExecutionFilter& filter, const ExecutionPlace& before,
                                        int64_t limit) override {
    return ExecutionsOf(Ask(ExecutionsQuery(filter, before, limit)));
  }
  std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                    int64_t limit) override {
    return AuditOf(Ask(AuditQuery(filter, before, limit)));
  }
  std::vector<Job> ListFinished(absl::Time since, const FinishedPlace& before,
                                int64_t limit) override {
    return ReadJobs(Ask(FinishedQuery(since, before, limit)), &status_);
  }
  std::vector<Job> ListFailed(const std::string& pipeline, absl::Time since,
                              int64_t limit) override {
    return ReadJobs(Ask(FailedQuery(pipeline, since, limit)), &status_);
  }
  std::optional<Job> OldestAvailable(const std::string& pipeline) override {
    return FirstOrNone(ReadJobs(Ask(OldestAvailableQuery(pipeline)), &status_));
  }
  std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                              int64_t limit) override {
    return NotesOf(Ask(NotesQuery(kind, after, limit)));
  }
  std::optional<std::string> FindNote(const std::string& kind, const std::string& key) override {
    return NoteValueOf(Ask(NoteQuery({kind, key}, /*lock=*/false)));
  }
  int64_t CountNotes(const std::string& kind, int64_t limit) override {
    return CountOf(Ask(CountNotesQuery(kind, limit)));
  }

 protected:
  PostgresConnection* connection() { return connection_; }
  absl::Status* sticky_status() { return &status_; }
  bool ok() const { return status_.ok(); }
  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  void set_now(absl::Time now) { now_ = now; }

  // What has to be run before a query can see everything that this transaction has written.
  virtual std::vector<PostgresQuery> Pending() { return {}; }
  // Runs a query behind what is pending; no rows after a failure.
  PostgresResult Ask(PostgresQuery query);

 private:
  PostgresConnection* const connection_;
  absl::Status status_;
  absl::Time now_ = absl::InfinitePast();
};

// A Read: a snapshot that nothing is written to.
class PostgresReader final : public PostgresReads<StoreReader> {
 public:
  using PostgresReads::PostgresReads;
  // Opens the transaction; FAILED_PRECONDITION when a newer coordinator has changed the schema.
  absl::Status Begin();
};

extern template class PostgresReads<StoreReader>;
extern template class PostgresReads<StoreTransaction>;

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_READER_H_
