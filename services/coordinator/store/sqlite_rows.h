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
#include "services/coordinator/store/sqlite_connection.h"

namespace closewrite {

// What of a job hardly ever changes and has an index: an UPDATE that names none of these columns
// leaves their indexes alone.
#define CLOSEWRITE_JOB_IDENTITY_COLUMNS \
  "pipeline, key, input_volume, input_path, event_id, finished"
#define CLOSEWRITE_JOB_STATE_COLUMNS                                                       \
  "input_inode, input_size, input_mtime_ns, output_volume, state, outputs, attempts, "     \
  "attempts_base, crashes, token, session, executor, host, exit_code, message, after_id, " \
  "created_at, due_at, leased_at, started_at, finished_at, observed_at, caused_by_job, "  \
  "pid, rank"
#define CLOSEWRITE_JOB_COLUMNS CLOSEWRITE_JOB_IDENTITY_COLUMNS ", " CLOSEWRITE_JOB_STATE_COLUMNS

#define CLOSEWRITE_ATTEMPT_COLUMNS                                                               \
  "job_id, token, number, executor, host, pid, outcome, exit_code, signal, message, leased_at, " \
  "started_at, ended_at, cpu_ns, max_rss_bytes"

#define CLOSEWRITE_SESSION_COLUMNS "id, executor, coordinator, draining, heartbeat_at, expires_at"
#define CLOSEWRITE_WATCHER_COLUMNS \
  "host, ledger_id, coordinator, version, address, heartbeat_at, expires_at, volumes"

#define CLOSEWRITE_EVENT_COLUMNS                                                             \
  "host, ledger_id, sequence, kind, evidence, source, volume, path, inode, size, mtime_ns, " \
  "observed_at, received_at, caused_by_job"

// Bind the columns above. `outputs` is EncodeOutputs(job.outputs) and, like the row, must outlive
// the query.
void BindJobIdentity(const Job& job, SqliteQuery* query);
void BindJobState(const Job& job, std::string_view outputs, SqliteQuery* query);
void BindAttempt(const Attempt& attempt, SqliteQuery* query);
void BindEvent(const EventRecord& record, SqliteQuery* query);

// Read `id` and CLOSEWRITE_JOB_COLUMNS; CLOSEWRITE_ATTEMPT_COLUMNS and `log_bytes`; `id` and
// CLOSEWRITE_EVENT_COLUMNS. A row that can't be understood fails the query with DATA_LOSS.
Job ReadJob(SqliteQuery* query);
Attempt ReadAttempt(SqliteQuery* query);
EventRecord ReadEvent(SqliteQuery* query);
// Read the columns of sessions and watchers.
SessionRecord ReadSession(SqliteQuery* query);
Watcher ReadWatcher(SqliteQuery* query);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_STORE_SQLITE_ROWS_H_
