// How jobs, attempts and events lie in rows: the columns in one order, and binding and reading in
// the same.
#ifndef SERVICES_COORDINATOR_STORE_SQLITE_ROWS_H_
#define SERVICES_COORDINATOR_STORE_SQLITE_ROWS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/coordinator/core/file_event.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/presence.h"
#include "services/coordinator/core/store.h"
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// Of a job: what it is made with, what its leases change, what its waiting and its end change, and
// what its command's start changes. An UPDATE that names no column of an index leaves the index
// alone.
#define CLOSEWRITE_JOB_MADE_COLUMNS                                                       \
  "pipeline, file_id, input_inode, input_size, input_mtime_ns, event_id, key_kind, key, " \
  "output_volume, caused_by_job, rank, created_at, observed_at"
#define CLOSEWRITE_JOB_LEASE_COLUMNS                                                   \
  "state, outputs, attempts, attempts_base, crashes, token, session, executor, host, " \
  "exit_code, message, leased_at, cancelling"
#define CLOSEWRITE_JOB_END_COLUMNS "finished, after_id, due_at, finished_at"
#define CLOSEWRITE_JOB_START_COLUMNS "started_at, pid"
#define CLOSEWRITE_JOB_COLUMNS                                                                  \
  CLOSEWRITE_JOB_MADE_COLUMNS ", " CLOSEWRITE_JOB_END_COLUMNS ", " CLOSEWRITE_JOB_LEASE_COLUMNS \
                              ", " CLOSEWRITE_JOB_START_COLUMNS
// What ReadJob reads, from jobs AS j and files AS f.
#define CLOSEWRITE_JOB_ROW                                                                     \
  "j.id, f.volume, f.path, j.pipeline, j.input_inode, j.input_size, j.input_mtime_ns, "        \
  "j.event_id, j.key_kind, j.key, j.output_volume, j.caused_by_job, j.rank, j.created_at, "    \
  "j.observed_at, j.state, j.outputs, j.attempts, j.attempts_base, j.crashes, j.token, "       \
  "j.session, j.executor, j.host, j.exit_code, j.message, j.after_id, j.due_at, j.leased_at, " \
  "j.finished_at, j.started_at, j.pid, j.cancelling"
// Between them "FROM jobs AS j" may name an index.
#define CLOSEWRITE_JOB_SELECT "SELECT " CLOSEWRITE_JOB_ROW " FROM jobs AS j "
#define CLOSEWRITE_JOB_FILE "CROSS JOIN files AS f ON f.id = j.file_id "

#define CLOSEWRITE_ATTEMPT_COLUMNS                                                               \
  "job_id, token, number, executor, host, pid, outcome, exit_code, signal, message, leased_at, " \
  "started_at, ended_at, cpu_ns, max_rss_bytes"

// Bytes of the log in a row of log_chunks.
#define CLOSEWRITE_CHUNK_BYTES "iif(bytes > 0, bytes, length(data))"

#define CLOSEWRITE_SESSION_COLUMNS "id, executor, coordinator, draining, heartbeat_at, expires_at"
#define CLOSEWRITE_WATCHER_COLUMNS \
  "host, ledger_id, stream, coordinator, version, address, heartbeat_at, expires_at, volumes"

#define CLOSEWRITE_TASK_COLUMNS \
  "name, version, applied_at, definition, started, seen, due_at, runs, failures, last_job"
#define CLOSEWRITE_TASK_SELECT "SELECT " CLOSEWRITE_TASK_COLUMNS " FROM tasks "

#define CLOSEWRITE_EVENT_COLUMNS                                                        \
  "host, ledger_id, sequence, kind, evidence, source, file_id, inode, size, mtime_ns, " \
  "observed_at, received_at, caused_by_job"
// What ReadEvent reads, from events AS e and files AS f.
#define CLOSEWRITE_EVENT_SELECT                                                           \
  "SELECT e.id, f.volume, f.path, e.host, e.ledger_id, e.sequence, e.kind, e.evidence, "  \
  "e.source, e.inode, e.size, e.mtime_ns, e.observed_at, e.received_at, e.caused_by_job " \
  "FROM events AS e "
#define CLOSEWRITE_EVENT_FILE "CROSS JOIN files AS f ON f.id = e.file_id "

// How a row keeps a job's key.
enum class JobKeyKind { kVersion = 0, kEvent = 1, kLiteral = 2 };
JobKeyKind KindOfKey(const Job& job);

// Bind the columns above. `outputs` is EncodeOutputs(job.outputs) and, like the record, must
// outlive the query.
void BindJobMade(const Job& job, int64_t file_id, SqliteQuery* query);
void BindJobEnd(const Job& job, SqliteQuery* query);
void BindJobLease(const Job& job, std::string_view outputs, SqliteQuery* query);
void BindJobStart(const Job& job, SqliteQuery* query);
void BindAttempt(const Attempt& attempt, SqliteQuery* query);
void BindEvent(const EventRecord& record, int64_t file_id, SqliteQuery* query);

// Read CLOSEWRITE_JOB_ROW; CLOSEWRITE_ATTEMPT_COLUMNS and `log_bytes`; CLOSEWRITE_EVENT_SELECT. A
// row that can't be understood fails the query with DATA_LOSS.
Job ReadJob(SqliteQuery* query);
Attempt ReadAttempt(SqliteQuery* query);
EventRecord ReadEvent(SqliteQuery* query);
// Read the columns of sessions and watchers.
SessionRecord ReadSession(SqliteQuery* query);
std::vector<StoredTask> ReadTasks(SqliteQuery* query);
Watcher ReadWatcher(SqliteQuery* query);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_ROWS_H_
