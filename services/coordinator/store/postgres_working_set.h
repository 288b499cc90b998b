// Everything that a transaction of the PostgreSQL store has read and written so far, and the
// statements that bring the database up to date.
#ifndef SERVICES_COORDINATOR_STORE_POSTGRES_WORKING_SET_H_
#define SERVICES_COORDINATOR_STORE_POSTGRES_WORKING_SET_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_job_cache.h"
#include "services/coordinator/store/postgres_log_changes.h"
#include "services/coordinator/store/postgres_monitoring_rows.h"
#include "services/coordinator/store/postgres_row_cache.h"
#include "services/coordinator/store/postgres_wire.h"

namespace closewrite {

// What was done to a path last; 0: nothing.
struct PostgresFile {
  int64_t event_id = 0;
  int64_t job_id = 0;
};

struct PostgresRequest {
  absl::Time recorded_at;
  std::string answer;
};

// Not thread-safe.
class PostgresWorkingSet {
 public:
  // What is buffered goes to the database when it is more than this.
  static constexpr size_t kBufferedBytesMax = size_t{16} << 20;

  PostgresJobCache jobs;
  PostgresRowCache<PostgresHash, PostgresFile> files;
  PostgresRowCache<PostgresHash, PostgresRequest> requests;
  PostgresRowCache<SessionId, SessionRecord> sessions;
  PostgresRowCache<std::string, Watcher> watchers;
  PostgresRowCache<std::string, StoredTask> tasks;
  PostgresRowCache<IncrementKey, Increment> increments;
  PostgresRowCache<std::string, Execution> executions;
  PostgresRowCache<NoteName, std::string> notes;

  // The newest event of a file, by FileOf.
  absl::flat_hash_map<PostgresHash, EventRecord> latest_events;
  // Inserts; the event has its id, and is known not to be there.
  void AddEvent(const EventRecord& record);

  // What is known of a ledger: which of its sequences in a range are there.
  struct Sequences {
    int64_t first = 0;
    int64_t last = -1;
    std::set<int64_t> present;
  };
  absl::flat_hash_map<std::string, Sequences> sequences;

  // Inserts or replaces.
  void AddAttempt(const Attempt& attempt);
  // As the database has it, nullopt for none, with the length of its log.
  void LoadAttempt(const Lease& lease, const std::optional<Attempt>& attempt);
  // Null when it is not known.
  const std::optional<Attempt>* FindAttempt(const Lease& lease) const;

  // The length of a log, as far as it is known, and bytes after its end.
  std::optional<int64_t> LogLength(const Lease& lease) const;
  void LoadLog(const Lease& lease, int64_t length) { log_lengths_.try_emplace(lease, length); }
  void AppendLog(const Lease& lease, LogRow row);
  PostgresLogChanges logs;

  void PutClaim(const LockClaim& claim);
  void EraseClaim(const std::string& lock, const std::string& holder);
  void EraseClaimsOf(const std::string& holder);

  void AddPoints(int64_t count, std::string_view lines);
  void AddLoad(const Load& load);
  void AddAudit(const AuditEntry& entry);
  // The note must be cached, as all rows of caches.
  void PutNote(const NoteName& name, std::optional<std::string> value);

  // Bytes of what is buffered apart from jobs and small rows.
  size_t buffered_bytes() const { return buffered_bytes_; }
  // Statements that bring the database up to date, which counts as done.
  std::vector<PostgresQuery> TakeWrites();
  // The database knows better from now on; nothing may wait to be written.
  void Forget();
  // Whether anything was ever put here.
  bool wrote() const { return wrote_ || dirty(); }

 private:
  bool dirty() const;
  void AddLogs(std::vector<PostgresQuery>* batch);
  void AddClaims(std::vector<PostgresQuery>* batch);
  void AddSmallRows(std::vector<PostgresQuery>* batch);
  void AddNotes(std::vector<PostgresQuery>* batch);
  void AddMonitoring(std::vector<PostgresQuery>* batch);

  PostgresRows events_;
  PostgresRows points_;
  PostgresRows loads_;
  PostgresRows audit_;
  std::map<Lease, std::optional<Attempt>> attempts_;
  std::set<Lease> new_attempts_;  // those that are to be written
  std::map<Lease, int64_t> log_lengths_;
  std::map<Lease, std::vector<LogRow>> appended_;        // the last rows of a log
  using ClaimKey = std::pair<std::string, std::string>;  // lock, holder
  std::map<ClaimKey, LockClaim> claims_;
  // To be erased before any are written.
  std::set<ClaimKey> erased_claims_;
  std::set<std::string> gone_holders_;
  size_t buffered_bytes_ = 0;
  bool wrote_ = false;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_POSTGRES_WORKING_SET_H_
