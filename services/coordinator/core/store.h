// What the coordinator keeps, and the two ways to it: transactions by the store loop, reads by
// everybody.
#ifndef SERVICES_COORDINATOR_CORE_STORE_H_
#define SERVICES_COORDINATOR_CORE_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/coordinator/core/audit.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/ids.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/kept_log.h"
#include "services/coordinator/core/lock.h"
#include "services/coordinator/core/log_row.h"
#include "services/coordinator/core/monitoring.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/task.h"

namespace closewrite {

// Which jobs; empty fields do not restrict.
struct JobFilter {
  std::vector<JobId> ids;
  std::vector<JobState> states;
  std::string pipeline;
  std::string input_volume;
  std::string input_path;  // needs input_volume
  std::string output_volume;
};

// How many jobs of one kind there are.
struct JobCount {
  std::string pipeline;
  JobState state = JobState::kAvailable;
  int64_t count = 0;
  bool operator==(const JobCount&) const = default;
};

// A pipeline's definition; opaque to the store.
struct StoredPipeline {
  std::string name;
  int version = 0;
  absl::Time applied_at = absl::InfinitePast();
  std::string definition;
  bool operator==(const StoredPipeline&) const = default;
};

// A task's definition, opaque to the store, and what is kept beside it.
struct StoredTask {
  std::string name;
  int version = 0;
  absl::Time applied_at = absl::InfinitePast();
  std::string definition;
  TaskState state;
  bool operator==(const StoredTask&) const = default;
};

inline constexpr int64_t kPrioritiesMax = 100;

// Reads. Errors are sticky: after the first failure every call gives nothing, and the Read or Write
// that the reader belongs to returns the error. So callers need not check each step, and nothing
// half-read is kept. All limits are row counts. Not thread-safe.
class StoreReader {
 public:
  virtual ~StoreReader() = default;

  // The store's clock: `local`, the caller's own, unless the store is shared and has one itself.
  virtual absl::Time Now(absl::Time local) { return local; }

  virtual std::optional<Job> GetJob(JobId id) = 0;
  // Newest first (descending id), ids below `before` (0: from the newest), at most `limit`.
  virtual std::vector<Job> ListJobs(const JobFilter& filter, JobId before, int64_t limit) = 0;
  // Jobs of the pipeline that are not final.
  virtual int64_t CountUnfinished(const std::string& pipeline) = 0;
  // Jobs that are not final, and those in state kFailed, by pipeline and state; no zeroes. Of a
  // state other than kAvailable it may stop counting at `limit`. Takes as long as there are such
  // jobs.
  virtual std::vector<JobCount> CountJobs(int64_t limit) = 0;
  // Jobs of the pipeline in state kAvailable that Claim gives before `job`, counted up to `limit`:
  // the place in line.
  virtual int64_t CountAvailableBefore(const Job& job, int64_t limit) = 0;
  // The RUNNING jobs of a session: its leases. By id.
  virtual std::vector<Job> LeasesOf(const SessionId& session) = 0;

  // Attempts that have ended, oldest first.
  virtual std::vector<Attempt> ListAttempts(JobId id) = 0;
  virtual std::optional<Attempt> GetAttempt(const Lease& lease) = 0;
  // Where the log of an attempt ends, whatever of it is still kept.
  virtual int64_t LogLength(const Lease& lease) = 0;
  // Rows of a log that end behind `offset`, in order: the first one, and those behind it that begin
  // before offset + bytes_max.
  virtual std::vector<LogRow> ReadLog(const Lease& lease, int64_t offset, int64_t bytes_max) = 0;
  // Rows that begin before `offset`, in order: the last one, and those before it that begin at
  // offset - bytes_max or later.
  virtual std::vector<LogRow> ReadLogBefore(const Lease& lease, int64_t offset,
                                            int64_t bytes_max) = 0;
  // Of all logs, as SaveLog was told.
  virtual LogTotals GetLogTotals() = 0;

  // By name.
  virtual std::vector<StoredPipeline> ListPipelines() = 0;
  // Rises whenever a pipeline is put or deleted, or a task's definition.
  virtual int64_t PipelinesVersion() = 0;

  // Those whose names come after `after` ("": from the first), by name.
  virtual std::vector<StoredTask> ListTasks(const std::string& after, int64_t limit) = 0;
  virtual std::optional<StoredTask> GetTask(const std::string& name) = 0;
  virtual int64_t CountTasks() = 0;
  // Of the pipelines whose names begin with `prefix`, those with a job in state kAvailable, by
  // name. Takes as long as there are such pipelines, however many jobs they have.
  virtual std::vector<std::string> AvailablePipelines(const std::string& prefix, int64_t limit) = 0;

  // Newest first, ids below `before` (0: from the newest); of one volume, or "" for all; of one
  // path of it, or "".
  virtual std::vector<EventRecord> ListEvents(const std::string& volume, const std::string& path,
                                              int64_t before, int64_t limit) = 0;
  // Ids of the jobs that an event made.
  virtual std::vector<JobId> JobsOfEvent(int64_t event_id) = 0;
  // The newest event of a path: what the file is now.
  virtual std::optional<EventRecord> LatestEvent(const std::string& volume,
                                                 const std::string& path) = 0;

  // By id; by host; by lock, then by holder.
  virtual std::vector<SessionRecord> ListSessions() = 0;
  virtual std::vector<Watcher> ListWatchers() = 0;
  virtual std::vector<LockClaim> ListClaims() = 0;

  // Batches of points, oldest first, until they have `limit` points; the last one is whole, too.
  virtual std::vector<PointBatch> ReadPoints(int64_t limit) = 0;
  // Takes no longer for many points than for few.
  virtual PointRange GetPointRange() = 0;
  virtual std::optional<Increment> FindIncrement(const IncrementKey& key) = 0;
  // Of one job, or of all when it is ""; those with keys above `after` ({}: from the first), by
  // key.
  virtual std::vector<Increment> ListIncrements(const std::string& job, const IncrementKey& after,
                                                int64_t limit) = 0;
  // Newest first, by time, those of one time by id; those behind `before`.
  virtual std::vector<Load> ListLoads(const LoadFilter& filter, const LoadPlace& before,
                                      int64_t limit) = 0;
  virtual std::optional<Execution> FindExecution(const std::string& id) = 0;
  // Newest first, by start, those of one time by id; those behind `before`.
  virtual std::vector<Execution> ListExecutions(const ExecutionFilter& filter,
                                                const ExecutionPlace& before, int64_t limit) = 0;

  // Newest first, by time, those of one time by id; those behind `before`. A filter by more than
  // time looks at all entries of that time.
  virtual std::vector<AuditEntry> ListAudit(const AuditFilter& filter, const AuditPlace& before,
                                            int64_t limit) = 0;

  // Final jobs that finished at `since` or later: newest first, by finished_at, those of one time
  // by id; those behind `before`.
  virtual std::vector<Job> ListFinished(absl::Time since, const FinishedPlace& before,
                                        int64_t limit) = 0;
  // Jobs of the pipeline in state kFailed that finished at `since` or later, in the same order.
  // Takes no longer for all the other jobs that there are.
  virtual std::vector<Job> ListFailed(const std::string& pipeline, absl::Time since,
                                      int64_t limit) = 0;
  // The job of the pipeline in state kAvailable with the smallest id. Takes as long as there are
  // priorities among them, not jobs; looks at kPrioritiesMax of them, the largest.
  virtual std::optional<Job> OldestAvailable(const std::string& pipeline) = 0;

  // Notes of a kind, which is one of a few constants, with keys above `after`, by key, in order of
  // bytes.
  virtual std::vector<Note> ListNotes(const std::string& kind, const std::string& after,
                                      int64_t limit) = 0;
  virtual std::optional<std::string> FindNote(const std::string& kind, const std::string& key) = 0;
  // Counts no further than `limit`.
  virtual int64_t CountNotes(const std::string& kind, int64_t limit) = 0;
};

// What the commands of a transaction are about to read. A hint: a store that is far away fetches it
// in one round trip.
struct Expected {
  std::vector<JobId> jobs;  // with their followers, and the newest attempt of PUBLISHING ones
  std::vector<Lease> logs;  // their lengths
  // Volume and path: the newest event, and the unfinished jobs of each pipeline.
  std::vector<std::pair<std::string, std::string>> paths;
  std::vector<std::string> keys;
  std::vector<FileVersion> files;  // of events; the engine knows what keys their jobs would have
  std::vector<std::pair<std::string, int64_t>> events;  // ledger id, sequence
  std::vector<std::string> requests;
  std::vector<SessionId> sessions;
  std::vector<std::string> watchers;  // by host

  void Add(const Expected& other) {
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(jobs, other.jobs);
    append(logs, other.logs);
    append(paths, other.paths);
    append(keys, other.keys);
    append(files, other.files);
    append(events, other.events);
    append(requests, other.requests);
    append(sessions, other.sessions);
    append(watchers, other.watchers);
  }
};

// Reads its own writes. Nothing is visible to others before the commit.
//
// Where several coordinators share the store, transactions run side by side. What GetJob,
// FindJobByKey, LastInLine, Followers, NextDue, LeasesOf, GetTask, FindSession, FindWatcher,
// FindIncrement, FindExecution and FindNote give is then locked until the commit, so that what is
// decided on it stays true; what Claim, DueTasks and ExpiredSessions give is locked too, and what
// others have locked is left out. A transaction that can't go on (two wait for each other, a key
// was taken meanwhile) fails with ABORTED and is to be run again.
class StoreTransaction : public StoreReader {
 public:
  virtual void Expect(const Expected&) {}

  // Inserts a job and gives it an id (job.id is ignored). 0 on failure. The key must be new.
  virtual JobId InsertJob(const Job& job) = 0;
  // Replaces all fields of job.id.
  virtual void UpdateJob(const Job& job) = 0;
  virtual std::optional<Job> FindJobByKey(const std::string& key) = 0;
  // Of the pipeline's jobs for that path that are not final, the one that no other waits for; the
  // newest if there are several.
  virtual std::optional<Job> LastInLine(const std::string& pipeline, const std::string& volume,
                                        const std::string& path) = 0;
  struct Wish {
    std::string pipeline;
    int64_t limit = 0;
  };
  // Jobs in state kAvailable: of each pipeline the first ones, larger priority first, then in
  // ascending order of id. Wishes have different pipelines; their jobs come in the same order.
  virtual std::vector<Job> Claim(const std::vector<Wish>& wishes) = 0;
  // Jobs in kScheduled or kRetrying with `after` 0 and due_at <= now, earliest first.
  virtual std::vector<Job> NextDue(absl::Time now, int64_t limit) = 0;
  // The earliest due_at of those, due or not; infinite future when there is none.
  virtual absl::Time EarliestDue() = 0;
  // Jobs that wait for `id` (after == id).
  virtual std::vector<Job> Followers(JobId id) = 0;

  // Inserts or replaces by (job, token); log_bytes is not kept with it.
  virtual void PutAttempt(const Attempt& attempt) = 0;
  // Appends to the log of an attempt if `offset` is where it ends; bytes that are there already are
  // skipped (see RowsToAppend). Returns where it ends then, which is before offset + size when a
  // gap was refused. A log is open from its first byte on.
  virtual int64_t AppendLog(const Lease& lease, int64_t offset, std::string_view data) = 0;
  // Forgets rows that lie in [from, to) wholly, the first ones, at most so many; returns how many.
  virtual int64_t EraseLogRows(const Lease& lease, int64_t from, int64_t to, int64_t rows_max) = 0;
  // Puts a row in the place of those that lie in [row.offset, row.end()).
  virtual void ReplaceLogRows(const Lease& lease, const LogRow& row) = 0;
  // What the rows of a log take: `rows`, `stored_bytes` and `left_out_bytes` of a KeptLog.
  virtual KeptLog MeasureLog(const Lease& lease) = 0;
  // Opens a log again that may have been closed or dropped.
  virtual void OpenLog(const Lease& lease) = 0;
  // Open logs whose lease is larger than `after`, by lease. Locked, but for those that others have.
  virtual std::vector<OpenedLog> OpenLogs(const Lease& after, int64_t limit) = 0;
  // Logs that were closed before `before`, first closed first. Locked, but for those that others
  // have.
  virtual std::vector<OpenedLog> ClosedLogs(absl::Time before, int64_t limit) = 0;
  // `log` is what one of these two gave.
  virtual void SaveLog(const KeptLog& log, const KeptLog& as) = 0;
  // It is neither open nor closed then, and no part of the totals; its rows stay.
  virtual void DropLog(const KeptLog& log) = 0;

  // Inserts an event unless (ledger_id, sequence) is there, and gives it an id; 0 when it was
  // there. Becomes the path's latest event.
  virtual int64_t InsertEvent(const EventRecord& record) = 0;

  virtual void PutPipeline(const StoredPipeline& pipeline) = 0;
  virtual void DeletePipeline(const std::string& name) = 0;

  // Inserts or replaces by name. Raises PipelinesVersion when version or definition are others.
  virtual void PutTask(const StoredTask& task) = 0;
  virtual void DeleteTask(const std::string& name) = 0;
  // Tasks with due_at <= now, earliest first.
  virtual std::vector<StoredTask> DueTasks(absl::Time now, int64_t limit) = 0;
  // The earliest due_at; infinite future when there is none.
  virtual absl::Time EarliestTaskDue() = 0;

  virtual std::optional<SessionRecord> FindSession(const SessionId& id) = 0;
  virtual void PutSession(const SessionRecord& session) = 0;
  virtual void EraseSession(const SessionId& id) = 0;
  // Sessions with expires_at <= now, by id.
  virtual std::vector<SessionRecord> ExpiredSessions(absl::Time now, int64_t limit) = 0;

  virtual std::optional<Watcher> FindWatcher(const std::string& host) = 0;
  virtual void PutWatcher(const Watcher& watcher) = 0;

  // True when this transaction alone may give locks away; it stays so until the commit. False:
  // another one does so just now.
  virtual bool MayGrantLocks() = 0;
  // Inserts or replaces by lock and holder.
  virtual void PutClaim(const LockClaim& claim) = 0;
  virtual void EraseClaim(const std::string& lock, const std::string& holder) = 0;
  virtual void EraseClaimsOf(const std::string& holder) = 0;

  // True once in `every` for the whole fleet: for duties that one coordinator is to do. The name is
  // one of a few constants.
  virtual bool TakeTurn(const std::string& duty, absl::Time now, absl::Duration every) = 0;

  // Answers of requests, by the caller's id, for kRequestKept at least.
  virtual std::optional<std::string> FindRequest(const std::string& request_id) = 0;
  virtual void RecordRequest(const std::string& request_id, const std::string& answer,
                             absl::Time now) = 0;
  // Forgets requests recorded before `before`.
  virtual void ForgetRequests(absl::Time before) = 0;

  // `count` points, at least 1, in so many lines.
  virtual void AppendPoints(int64_t count, std::string_view lines) = 0;
  // These batches and no others, whatever else has come to light since they were read. Returns how
  // many were there.
  virtual int64_t ErasePoints(const std::vector<int64_t>& ids) = 0;
  // Inserts or replaces by key.
  virtual void PutIncrement(const Increment& increment) = 0;
  // Gives it an id (load.id is ignored).
  virtual void AppendLoad(const Load& load) = 0;
  // Forgets loads that were logged before `before`, the oldest first, at most `limit`. Returns how
  // many went; those that others have locked stay for now.
  virtual int64_t PruneLoads(absl::Time before, int64_t limit) = 0;
  // Inserts or replaces by id.
  virtual void PutExecution(const Execution& execution) = 0;
  // The same of executions that ended before `before`, and then of open ones that started before
  // it: whoever began them has not told their end.
  virtual int64_t PruneExecutions(absl::Time before, int64_t limit) = 0;

  // Inserts or replaces by kind and key.
  virtual void PutNote(const std::string& kind, const Note& note) = 0;
  virtual void EraseNote(const std::string& kind, const std::string& key) = 0;

  // Gives it an id (entry.id is ignored).
  virtual void AppendAudit(const AuditEntry& entry) = 0;
  // As PruneLoads, of entries. Nothing else erases one, and nothing changes one.
  virtual int64_t PruneAudit(absl::Time before, int64_t limit) = 0;

  // Forgets jobs that were finished before `before`, with their attempts and logs, and events
  // received before then; at most `limit` rows of each, and so much of logs as is quick. Kept are,
  // so that no version is ever done twice: the newest event of each file that is there, jobs that
  // such an event made, and whatever an unfinished job names. Returns how many rows went, or 1 when
  // none did but there is more to look at; 0: nothing is left to forget.
  virtual int64_t Prune(absl::Time before, int64_t limit) = 0;
};

inline constexpr absl::Duration kRequestKept = absl::Hours(24);

// Thread-safe: one Write at a time, Reads beside it.
class Store {
 public:
  virtual ~Store() = default;
  // Runs `fn` in one transaction. When it returns OK and no step failed, everything is durable when
  // Write returns OK; otherwise nothing was changed. RESOURCE_EXHAUSTED: the disk is full. ABORTED:
  // the same again may succeed at once. UNAVAILABLE: I/O errors, or the database can't be reached.
  // The error of `fn` is returned as it is.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(StoreTransaction&)> fn) = 0;
  // Runs `fn` over one consistent, committed state.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> fn) = 0;
  // How durable a commit is, for people: "sqlite, WAL, synchronous=FULL".
  virtual std::string Durability() const = 0;

  // Whether other coordinators may write to it.
  virtual bool shared() const { return false; }
  // Of a shared store. Tells the other coordinators something; it may be lost, and several may
  // become one. At most kNoticeBytesMax.
  virtual void Notify(std::string_view /*notice*/) {}
  // `fn` is called with what others told, on a thread of the store's; once with "" when something
  // may have been lost. Set before the first Write; must be quick and outlive the store.
  virtual void Listen(std::function<void(std::string_view notice)> /*fn*/) {}
  // Of a shared store: from now on nothing waits for a database that can't be reached. A Write
  // whose connection breaks in its commit fails with UNAVAILABLE then, though it may have happened.
  virtual void EndSoon() {}
};

inline constexpr size_t kNoticeBytesMax = 4000;

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_STORE_H_
