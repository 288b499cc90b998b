// The writes of the SQLite store.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_reader.h"

namespace closewrite {

// How far Prune has looked through a table. What is kept for its own sake is so not looked at again
// before everything else was.
struct SqlitePruneCursor {
  absl::Time time = absl::InfinitePast();  // of the last row: finished, received
  int64_t id = 0;
  absl::Time before;    // as it was at the start, so that there is an end however many follow
  int64_t kept = 0;     // rows since the start that were not forgotten
  bool forgot = false;  // some were
  bool done = false;    // it has come to the end
};
struct SqlitePruneCursors {
  SqlitePruneCursor jobs;
  SqlitePruneCursor events;
};

// Not thread-safe.
//
// It remembers the jobs that it has read or written, the files and the keys that are not there: an
// update then names only what changes, and nothing is looked up twice. That grows with what one
// transaction does, and goes with it.
class SqliteTransaction final : public SqliteReads<StoreTransaction> {
 public:
  // Both must outlive it. The cursors are moved on even when the transaction is rolled back: what
  // was passed by is looked at again from the next start.
  SqliteTransaction(SqliteConnection* connection, SqlitePruneCursors* cursors)
      : SqliteReads(connection), cursors_(*cursors) {}

  std::optional<Job> GetJob(JobId id) override;
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
  void PutAttempt(const Attempt& attempt) override;
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
  void PutPipeline(const StoredPipeline& pipeline) override;
  void DeletePipeline(const std::string& name) override;
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
  bool MayGrantLocks() override { return status().ok(); }
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
  void PutIncrement(const Increment& increment) override;
  void AppendLoad(const Load& load) override;
  int64_t PruneLoads(absl::Time before, int64_t limit) override;
  void PutExecution(const Execution& execution) override;
  int64_t PruneExecutions(absl::Time before, int64_t limit) override;
  void PutNote(const std::string& kind, const Note& note) override;
  void EraseNote(const std::string& kind, const std::string& key) override;
  void AppendAudit(const AuditEntry& entry) override;
  int64_t PruneAudit(absl::Time before, int64_t limit) override;
  int64_t Prune(absl::Time before, int64_t limit) override;

 private:
  void RaisePipelinesVersion();
  void Fail(const absl::Status& status) { sticky_status()->Update(status); }

  // Null: not known.
  const Job* Known(JobId id) const;
  void Remember(const Job& job);
  std::optional<Job> Remembered(std::optional<Job> job);
  std::vector<Job> Remembered(std::vector<Job> jobs);
  // Fails the transaction when a job has the key.
  bool KeyIsFree(const std::string& key);
  // Writes what differs.
  void Overwrite(const Job& before, const Job& job);
  std::optional<Job> FindJobByVersion(const JobKeyParts& parts);

  // The number of a file, which is given a row when it has none. 0 on failure.
  int64_t FileFor(const std::string& volume, const std::string& path);
  void EraseFile(int64_t id);

  void InsertLogRow(const Lease& lease, const LogRow& row);
  void AddToLogTotals(int64_t rows, int64_t stored_bytes, int64_t left_out_bytes);
  // What one call may still forget of logs.
  struct PruneBudget {
    int64_t log_rows = 0;
    int64_t log_bytes = 0;
  };
  // From the end on. False when something is left.
  bool EraseLogsOf(int64_t job_id, PruneBudget* budget);

  int64_t PruneJobs(absl::Time before, int64_t limit);
  int64_t PruneEvents(absl::Time before, int64_t limit);
  struct Prunable {
    int64_t id = 0;
    absl::Time time;
    int64_t file_id = 0;
  };
  std::vector<Prunable> NextPrunable(const char* sql, absl::Time before, int64_t limit,
                                     SqlitePruneCursor* cursor);
  void EraseUnnamedFiles(const std::vector<Prunable>& rows);
  // Runs a DELETE of at most `limit` rows from before `before`; how many went.
  int64_t PruneSome(const char* sql, absl::Time before, int64_t limit);

  SqlitePruneCursors& cursors_;
  absl::node_hash_map<JobId, Job> known_;
  absl::flat_hash_set<std::string> absent_keys_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_
