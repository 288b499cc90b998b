// A transaction of the PostgreSQL store.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_TRANSACTION_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_fetch.h"
#include "services/coordinator/store/postgres_memory.h"
#include "services/coordinator/store/postgres_reader.h"
#include "services/coordinator/store/postgres_working_set.h"

namespace closewrite {

// What was read is answered from memory when it is asked for again, and what is written is kept in
// memory until the commit, or until a query has to see it. So a transaction whose Expect names what
// it needs takes four round trips, however many commands it runs: begin, expect, claim, commit. Not
// thread-safe.
class PostgresTransaction final : public PostgresReads<StoreTransaction> {
 public:
  // Jobs that the lists of a transaction named, to be read at once when one of them is.
  static constexpr size_t kHintsMax = 1000;

  // Both must outlive it.
  PostgresTransaction(PostgresConnection* connection, PostgresMemory* memory)
      : PostgresReads(connection), memory_(*memory) {}

  // Opens the transaction. `alone`: no other coordinator's runs beside it, so that it can't be in
  // anybody's way. FAILED_PRECONDITION: a newer coordinator has changed the schema.
  absl::Status Begin(bool alone = false);
  // Which of the server's transactions it is, to end it from another connection.
  struct Backend {
    int64_t pid = 0;
    int64_t began_at_us = 0;
  };
  const Backend& backend() const { return backend_; }

  // What is left to be written; and whether anything was.
  std::vector<PostgresQuery> TakeWrites() { return set_.TakeWrites(); }
  bool wrote() const { return wrote_ || set_.wrote(); }

  void Expect(const Expected& expected) override;
  std::optional<Job> GetJob(JobId id) override;
  std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) override;
  std::vector<Job> LeasesOf(const SessionId& session) override;
  JobId InsertJob(const Job& job) override;
  void UpdateJob(const Job& job) override;
  std::optional<Job> FindJobByKey(const std::string& key) override;
  std::optional<Job> LastInLine(const std::string& pipeline, const std::string& volume,
                                const std::string& path) override;
  std::vector<Job> Claim(const std::vector<Wish>& wishes) override;
  std::vector<Job> NextDue(absl::Time now, int64_t limit) override;
  absl::Time EarliestDue() override;
  std::vector<Job> Followers(JobId id) override;

  std::optional<Attempt> GetAttempt(const Lease& lease) override;
  void PutAttempt(const Attempt& attempt) override;
  int64_t LogLength(const Lease& lease) override;
  int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) override;
  int64_t EraseLogRows(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) override;
  void ReplaceLogRows(const Lease& lease, const LogRow& row) override;
  KeptLog MeasureLog(const Lease& lease) override;
  void OpenLog(const Lease& lease) override;
  std::vector<OpenedLog> OpenLogs(const Lease& after, int64_t limit) override;
  std::vector<OpenedLog> ClosedLogs(absl::Time before, int64_t limit) override;
  void SaveLog(const KeptLog& log, const KeptLog& as) override;
  void DropLog(const KeptLog& log) override;

  int64_t InsertEvent(const EventRecord& record) override;
  std::optional<EventRecord> LatestEvent(const std::string& volume,
                                         const std::string& path) override;

  int64_t PipelinesVersion() override { return ok() ? pipelines_version_ : 0; }
  void PutPipeline(const StoredPipeline& pipeline) override;
  void DeletePipeline(const std::string& name) override;
  std::optional<StoredTask> GetTask(const std::string& name) override;
  void PutTask(const StoredTask& task) override;
  void DeleteTask(const std::string& name) override;
  std::vector<StoredTask> DueTasks(absl::Time now, int64_t limit) override;
  absl::Time EarliestTaskDue() override;

  std::optional<SessionRecord> FindSession(const SessionId& id) override;
  void PutSession(const SessionRecord& session) override;
  void EraseSession(const SessionId& id) override;
  std::vector<SessionRecord> ExpiredSessions(absl::Time now, int64_t limit) override;
  std::optional<Watcher> FindWatcher(const std::string& host) override;
  void PutWatcher(const Watcher& watcher) override;

  bool MayGrantLocks() override;
  void PutClaim(const LockClaim& claim) override;
  void EraseClaim(const std::string& lock, const std::string& holder) override;
  void EraseClaimsOf(const std::string& holder) override;
  bool TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) override;

  std::optional<std::string> FindRequest(const std::string& request_id) override;
  void RecordRequest(const std::string& request_id, const std::string& answer,
                     absl::Time now) override;
  void ForgetRequests(absl::Time before) override;

  void AppendPoints(int64_t count, std::string_view lines) override;
  int64_t ErasePoints(const std::vector<int64_t>& ids) override;
  std::optional<Increment> FindIncrement(const IncrementKey& key) override;
  void PutIncrement(const Increment& increment) override;
  void AppendLoad(const Load& load) override;
  int64_t PruneLoads(absl::Time before, int64_t limit) override;
  std::optional<Execution> FindExecution(const std::string& id) override;
  void PutExecution(const Execution& execution) override;
  int64_t PruneExecutions(absl::Time before, int64_t limit) override;
  std::optional<std::string> FindNote(const std::string& kind, const std::string& key) override;
  void PutNote(const std::string& kind, const Note& note) override;
  void EraseNote(const std::string& kind, const std::string& key) override;

  void AppendAudit(const AuditEntry& entry) override;
  int64_t PruneAudit(absl::Time before, int64_t limit) override;
  int64_t Prune(absl::Time before, int64_t limit) override;

 protected:
  std::vector<PostgresQuery> Pending() override { return TakeWrites(); }

 private:
  // False, and everything fails from now on, when it could not be fetched.
  bool FetchNow(const PostgresWanted& wanted);
  int64_t IdsToDraw();
  // An id above `floor`.
  int64_t DrawId(PostgresIds* ids, int64_t PostgresWanted::*count, int64_t floor);
  const Job* CachedJob(JobId id);
  std::optional<PostgresFile> FileRow(const PostgresHash& file);
  // Runs queries that write, behind what is pending; the last one's result.
  PostgresResult WriteNow(std::vector<PostgresQuery> queries);
  void ChangePipelines(PostgresQuery change);
  void RaisePipelinesVersion(std::vector<PostgresQuery> behind);
  void FlushIfLarge();
  // Runs a DELETE of at most `limit` rows from before `before`; how many went.
  int64_t PruneSome(const char* sql, absl::Time before, int64_t limit);

  PostgresMemory& memory_;
  PostgresWorkingSet set_;
  absl::flat_hash_map<PostgresHash, JobId> key_owners_;
  std::set<JobId> hints_;
  Backend backend_;
  int64_t pipelines_version_ = 0;
  absl::Time earliest_due_ = absl::InfiniteFuture();
  absl::Time earliest_expiry_ = absl::InfiniteFuture();
  absl::Time earliest_task_due_ = absl::InfiniteFuture();
  bool task_dues_changed_ = false;
  int64_t ids_drawn_ = 0;  // at once, last
  bool may_grant_locks_ = false;
  bool asked_for_grants_ = false;
  bool wrote_ = false;  // past the working set
  bool took_turn_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_TRANSACTION_H_
