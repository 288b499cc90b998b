// The writes of the SQLite store.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_reader.h"

namespace closewrite {

// A log is kept in pieces of at most so many bytes, so that reading a little of a long log reads a
// little of the file.
inline constexpr size_t kLogChunkBytesMax = size_t{64} << 10;

// Not thread-safe.
class SqliteTransaction final : public SqliteReads<StoreTransaction> {
 public:
  using SqliteReads::SqliteReads;

  JobId InsertJob(const Job& job) override;
  void UpdateJob(const Job& job) override;
  std::optional<Job> FindJobByKey(const std::string& key) override;
  std::optional<Job> FindUnfinished(const std::string& pipeline, const std::string& volume,
                                    const std::string& path) override;
  std::vector<Job> Claim(const std::vector<Wish>& wishes) override;
  std::vector<Job> NextDue(absl::Time now, int64_t limit) override;
  absl::Time EarliestDue() override;
  std::vector<Job> Followers(JobId id) override;
  void PutAttempt(const Attempt& attempt) override;
  int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) override;
  int64_t InsertEvent(const EventRecord& record) override;
  void PutPipeline(const StoredPipeline& pipeline) override;
  void DeletePipeline(const std::string& name) override;
  std::optional<SessionRecord> FindSession(const SessionId& id) override;
  void PutSession(const SessionRecord& session) override;
  void EraseSession(const SessionId& id) override;
  std::vector<SessionRecord> ExpiredSessions(absl::Time now, int64_t limit) override;
  std::optional<Watcher> FindWatcher(const std::string& host) override;
  void PutWatcher(const Watcher& watcher) override;
  bool MayGrantLocks() override { return status().ok(); }
  void PutLock(const LockHolder& holder) override;
  void EraseLocksOf(JobId job) override;
  bool TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) override;
  std::optional<std::string> FindRequest(const std::string& request_id) override;
  void RecordRequest(const std::string& request_id, const std::string& answer,
                     absl::Time now) override;
  void ForgetRequests(absl::Time before) override;
  int64_t Prune(absl::Time before, int64_t limit) override;

 private:
  void RaisePipelinesVersion();
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_TRANSACTION_H_
