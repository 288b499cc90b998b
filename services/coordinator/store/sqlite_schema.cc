#include "services/coordinator/store/sqlite_schema.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

// All bytes are BLOBs, because names and paths need not be UTF-8. All times are nanoseconds since
// 1970; the smallest and the largest number stand for the infinite past and future. The numbers of
// states are those of JobState. Every index serves a query of sqlite_reader.cc or
// sqlite_transaction.cc, and sqlite_store_test.cc checks that no query goes without one. Job and
// event ids are never used again, hence AUTOINCREMENT.
constexpr char kVersion1[] = R"sql(
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pipeline BLOB NOT NULL,
  key BLOB NOT NULL,
  input_volume BLOB NOT NULL,
  input_path BLOB NOT NULL,
  event_id INTEGER NOT NULL,
  finished INTEGER NOT NULL,  -- 1 in the final states 5, 7 and 8, so that the index of the
                              -- unfinished jobs is left alone while a job goes its way
  input_inode INTEGER NOT NULL,  -- the same 64 bits, signed
  input_size INTEGER NOT NULL,
  input_mtime_ns INTEGER NOT NULL,
  output_volume BLOB NOT NULL,
  state INTEGER NOT NULL,
  outputs BLOB NOT NULL,  -- see EncodeOutputs
  attempts INTEGER NOT NULL,
  attempts_base INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  token INTEGER NOT NULL,
  session BLOB NOT NULL,
  executor BLOB NOT NULL,
  host BLOB NOT NULL,
  exit_code INTEGER NOT NULL,
  message BLOB NOT NULL,
  after_id INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  leased_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  observed_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX jobs_by_key ON jobs(key);
CREATE INDEX jobs_by_path ON jobs(input_volume, input_path);
CREATE INDEX jobs_by_state ON jobs(state);
CREATE INDEX jobs_by_event ON jobs(event_id) WHERE event_id <> 0;
CREATE INDEX jobs_unfinished ON jobs(pipeline, input_volume, input_path) WHERE finished = 0;
CREATE INDEX jobs_available ON jobs(pipeline) WHERE state = 2;
CREATE INDEX jobs_due ON jobs(due_at) WHERE state IN (1, 6) AND after_id = 0;
CREATE INDEX jobs_after ON jobs(after_id) WHERE after_id <> 0;

CREATE TABLE attempts(
  job_id INTEGER NOT NULL,
  token INTEGER NOT NULL,
  number INTEGER NOT NULL,
  executor BLOB NOT NULL,
  host BLOB NOT NULL,
  pid INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  exit_code INTEGER NOT NULL,
  signal INTEGER NOT NULL,
  message BLOB NOT NULL,
  leased_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  cpu_ns INTEGER NOT NULL,
  max_rss_bytes INTEGER NOT NULL,
  log_bytes INTEGER NOT NULL,
  PRIMARY KEY (job_id, token)
) WITHOUT ROWID;

CREATE TABLE log_chunks(
  job_id INTEGER NOT NULL,
  token INTEGER NOT NULL,
  offset INTEGER NOT NULL,  -- of the first byte; the chunks of an attempt touch each other
  data BLOB NOT NULL        -- at most kLogChunkBytesMax
);
CREATE UNIQUE INDEX log_chunks_by_offset ON log_chunks(job_id, token, offset);

CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  host BLOB NOT NULL,
  ledger_id BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  evidence INTEGER NOT NULL,
  source INTEGER NOT NULL,
  volume BLOB NOT NULL,
  path BLOB NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  observed_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX events_by_sequence ON events(ledger_id, sequence);
CREATE INDEX events_by_path ON events(volume, path);

CREATE TABLE pipelines(
  name BLOB NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  applied_at INTEGER NOT NULL,
  definition BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE requests(
  request_id BLOB NOT NULL PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  answer BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_by_time ON requests(recorded_at);
)sql";

// Lineage: which job has made a file, as far as it is known.
constexpr char kVersion2[] = R"sql(
ALTER TABLE jobs ADD COLUMN caused_by_job INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN caused_by_job INTEGER NOT NULL DEFAULT 0;
)sql";

// Priorities, the fleet, turns; logs no longer need a row of their attempt. A file has one row, and
// jobs and events its number: so of all indexes only that of the files has no order in time, and a
// commit of many jobs touches few pages. A job's key is kept only when it does not follow from its
// version (see ParseJobKey). What a job's way changes lies in indexes of the unfinished jobs alone,
// which stay small.
constexpr char kVersion3[] = R"sql(
CREATE TABLE files(
  id INTEGER PRIMARY KEY,
  volume BLOB NOT NULL,
  path BLOB NOT NULL
);
INSERT INTO files(volume, path)
  SELECT volume, path FROM events UNION SELECT input_volume, input_path FROM jobs;
CREATE UNIQUE INDEX files_by_path ON files(volume, path);

ALTER TABLE jobs RENAME TO old_jobs;
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pipeline BLOB NOT NULL,
  file_id INTEGER NOT NULL,
  input_inode INTEGER NOT NULL,  -- the same 64 bits, signed
  input_size INTEGER NOT NULL,
  input_mtime_ns INTEGER NOT NULL,
  event_id INTEGER NOT NULL,
  key_kind INTEGER NOT NULL,  -- 0: JobKey, 1: EventJobKey, 2: as it stands in `key`
  key BLOB,
  output_volume BLOB NOT NULL,
  caused_by_job INTEGER NOT NULL,
  rank INTEGER NOT NULL,  -- the negated priority
  created_at INTEGER NOT NULL,
  observed_at INTEGER NOT NULL,
  finished INTEGER NOT NULL,  -- 1 in the final states 5, 7 and 8
  state INTEGER NOT NULL,
  outputs BLOB NOT NULL,  -- see EncodeOutputs
  attempts INTEGER NOT NULL,
  attempts_base INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  token INTEGER NOT NULL,
  session BLOB NOT NULL,
  executor BLOB NOT NULL,
  host BLOB NOT NULL,
  exit_code INTEGER NOT NULL,
  message BLOB NOT NULL,
  after_id INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  leased_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  pid INTEGER NOT NULL
);
INSERT INTO jobs SELECT o.id, o.pipeline, f.id, o.input_inode, o.input_size, o.input_mtime_ns,
  o.event_id, 2, o.key, o.output_volume, o.caused_by_job, 0, o.created_at, o.observed_at,
  o.finished, o.state, o.outputs, o.attempts, o.attempts_base, o.crashes, o.token, o.session,
  o.executor, o.host, o.exit_code, o.message, o.after_id, o.due_at, o.leased_at, o.finished_at,
  o.started_at, CASE o.state WHEN 3 THEN coalesce((SELECT a.pid FROM attempts AS a
    WHERE a.job_id = o.id AND a.token = o.token), 0) ELSE 0 END
  FROM old_jobs AS o JOIN files AS f ON f.volume = o.input_volume AND f.path = o.input_path;
DELETE FROM sqlite_sequence WHERE name = 'jobs';
UPDATE sqlite_sequence SET name = 'jobs' WHERE name = 'old_jobs';
DROP TABLE old_jobs;
CREATE INDEX jobs_by_file ON jobs(file_id);
CREATE INDEX jobs_by_version ON jobs(file_id, input_mtime_ns);
CREATE INDEX jobs_by_key ON jobs(key) WHERE key_kind = 2;
CREATE INDEX jobs_by_event ON jobs(event_id) WHERE event_id <> 0;
CREATE INDEX jobs_by_state ON jobs(state) WHERE state NOT IN (2, 3);
CREATE INDEX jobs_available ON jobs(pipeline, rank) WHERE state = 2;
CREATE INDEX jobs_by_session ON jobs(session) WHERE state = 3;
CREATE INDEX jobs_unfinished ON jobs(pipeline, file_id) WHERE finished = 0;
CREATE INDEX jobs_due ON jobs(due_at) WHERE state IN (1, 6) AND after_id = 0;
CREATE INDEX jobs_after ON jobs(after_id) WHERE after_id <> 0;
CREATE INDEX jobs_lineage ON jobs(caused_by_job) WHERE caused_by_job <> 0;
CREATE INDEX jobs_finished ON jobs(finished_at) WHERE finished = 1;

ALTER TABLE events RENAME TO old_events;
CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  host BLOB NOT NULL,
  ledger_id BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  evidence INTEGER NOT NULL,
  source INTEGER NOT NULL,
  file_id INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  observed_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  caused_by_job INTEGER NOT NULL
);
INSERT INTO events SELECT o.id, o.host, o.ledger_id, o.sequence, o.kind, o.evidence, o.source, f.id,
  o.inode, o.size, o.mtime_ns, o.observed_at, o.received_at, o.caused_by_job
  FROM old_events AS o JOIN files AS f ON f.volume = o.volume AND f.path = o.path;
DELETE FROM sqlite_sequence WHERE name = 'events';
UPDATE sqlite_sequence SET name = 'events' WHERE name = 'old_events';
DROP TABLE old_events;
CREATE UNIQUE INDEX events_by_sequence ON events(ledger_id, sequence);
CREATE INDEX events_by_file ON events(file_id);
CREATE INDEX events_by_receipt ON events(received_at);

DELETE FROM attempts WHERE outcome = 0;
CREATE TABLE sessions(
  id BLOB NOT NULL PRIMARY KEY,
  executor BLOB NOT NULL,  -- see EncodeHello
  coordinator BLOB NOT NULL,
  draining INTEGER NOT NULL,
  heartbeat_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE watchers(
  host BLOB NOT NULL PRIMARY KEY,
  ledger_id BLOB NOT NULL,
  stream INTEGER NOT NULL,
  coordinator BLOB NOT NULL,
  version BLOB NOT NULL,
  address BLOB NOT NULL,
  heartbeat_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  volumes BLOB NOT NULL  -- see EncodeVolumes
) WITHOUT ROWID;
CREATE TABLE locks(
  name BLOB NOT NULL PRIMARY KEY,
  job_id INTEGER NOT NULL,
  host BLOB NOT NULL,
  since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE turns(duty BLOB NOT NULL PRIMARY KEY, taken_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE versions(what BLOB NOT NULL PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO versions(what, version) VALUES (x'70', 1);  -- p: of all pipelines together
)sql";

// Running jobs whose command is being killed.
constexpr char kVersion4[] = R"sql(
ALTER TABLE jobs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0;
)sql";

// Tasks.
constexpr char kVersion5[] = R"sql(
CREATE TABLE tasks(
  name BLOB NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  applied_at INTEGER NOT NULL,
  definition BLOB NOT NULL,
  started INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  last_job INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_due ON tasks(due_at);
)sql";

// Logs are records, packed, of bounded size; see log_row.h and kept_log.h. The index knows what
// rows hold, because these columns lie behind the data of a row, in the last of its many pages.
constexpr char kLogsStep[] = R"sql(
ALTER TABLE log_chunks ADD COLUMN format INTEGER NOT NULL DEFAULT 0;  -- LogFormat
ALTER TABLE log_chunks ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;  -- of the log; 0: as data has
CREATE INDEX log_chunks_by_place ON log_chunks(job_id, token, offset, format, bytes);
DROP INDEX log_chunks_by_offset;
CREATE TABLE logs(
  job_id INTEGER NOT NULL,
  token INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  sealed INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  left_out_bytes INTEGER NOT NULL,
  PRIMARY KEY (job_id, token)
) WITHOUT ROWID;
INSERT INTO logs SELECT DISTINCT job_id, token, 9223372036854775807, 0, 0, 0, 0 FROM log_chunks;
CREATE INDEX logs_open ON logs(job_id, token) WHERE closed_at = 9223372036854775807;
CREATE INDEX logs_closed ON logs(closed_at) WHERE closed_at < 9223372036854775807;
CREATE TABLE log_totals(row_count INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
  left_out_bytes INTEGER NOT NULL);
INSERT INTO log_totals VALUES (0, 0, 0);
)sql";

// Monitoring. The ids of points are never used again, though all rows are erased time and again;
// AUTOINCREMENT costs 1.5 us a row and one page a commit that inserts nothing else, of some 80 us
// that a job takes in all. The indexes of loads and executions are in the order of their lists.
// Open executions end at the largest number.
constexpr char kMonitoringStep[] = R"sql(
CREATE TABLE points(id INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB NOT NULL);
CREATE TABLE increments(
  job BLOB NOT NULL,
  type BLOB NOT NULL,
  datasource BLOB NOT NULL,
  value INTEGER NOT NULL,
  logged_at INTEGER NOT NULL,
  PRIMARY KEY (job, type, datasource)
) WITHOUT ROWID;
CREATE TABLE loads(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  execution BLOB NOT NULL,
  job BLOB NOT NULL,
  type BLOB NOT NULL,
  datasource BLOB NOT NULL,
  records INTEGER NOT NULL,
  increment INTEGER NOT NULL,
  logged_at INTEGER NOT NULL
);
CREATE INDEX loads_by_time ON loads(logged_at);
CREATE INDEX loads_by_job ON loads(job, logged_at);
CREATE INDEX loads_by_datasource ON loads(datasource, logged_at);
CREATE TABLE executions(
  id BLOB NOT NULL PRIMARY KEY,
  job BLOB NOT NULL,
  state INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX executions_by_start ON executions(started_at);
CREATE INDEX executions_by_job ON executions(job, started_at);
CREATE INDEX executions_by_end ON executions(ended_at, started_at);
)sql";

// Notes, and the failed jobs of a pipeline by their ends.
constexpr char kNotesStep[] = R"sql(
CREATE TABLE notes(
  kind BLOB NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX jobs_failed ON jobs(pipeline, finished_at) WHERE state = 7;
)sql";

// The points of a commit are one row, whose id is the number of its last one.
constexpr char kPointBatchesStep[] =
    "ALTER TABLE points ADD COLUMN count INTEGER NOT NULL DEFAULT 1;";

// Programs have locks, too, and wait for them in line; a lock may have several holders.
constexpr char kLockClaimsStep[] = R"sql(
CREATE TABLE lock_claims(
  lock BLOB NOT NULL,
  holder BLOB NOT NULL,
  job_id INTEGER NOT NULL,
  host BLOB NOT NULL,
  pid INTEGER NOT NULL,
  program BLOB NOT NULL,
  user BLOB NOT NULL,
  priority INTEGER NOT NULL,
  asked_at INTEGER NOT NULL,
  held_since INTEGER NOT NULL,
  token INTEGER NOT NULL,
  PRIMARY KEY (lock, holder)
) WITHOUT ROWID;
CREATE INDEX lock_claims_by_holder ON lock_claims(holder);
INSERT INTO lock_claims SELECT name, CAST('job/' || job_id AS BLOB), job_id, host, 0, x'', x'', 0,
  since, since, 0 FROM locks;
DROP TABLE locks;
)sql";

// Who changed what.
constexpr char kAuditStep[] = R"sql(
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  made_at INTEGER NOT NULL,
  role BLOB NOT NULL,
  name BLOB NOT NULL,
  portal_user BLOB NOT NULL,
  peer BLOB NOT NULL,
  service BLOB NOT NULL,
  method BLOB NOT NULL,
  request_id BLOB NOT NULL,
  subject BLOB NOT NULL
);
CREATE INDEX audit_by_time ON audit(made_at);
)sql";

// kSteps[n] leads from version n to n + 1. A step that has been released is never edited.
constexpr const char* kSteps[] = {kVersion1,         kVersion2,       kVersion3,       kVersion4,
                                  kVersion5,         kLogsStep,       kMonitoringStep, kNotesStep,
                                  kPointBatchesStep, kLockClaimsStep, kAuditStep};
static_assert(sizeof(kSteps) / sizeof(kSteps[0]) == kSqliteSchemaVersion);

absl::StatusOr<int> QueryNumber(SqliteConnection* connection, const std::string& sql) {
  absl::StatusOr<std::vector<std::string>> rows = connection->QueryText(sql);
  if (!rows.ok()) return rows.status();
  int number = 0;
  if (rows->empty() || !absl::SimpleAtoi(rows->front(), &number)) {
    return absl::InternalError(absl::StrCat(sql, " gave no number"));
  }
  return number;
}

absl::Status Migrate(SqliteConnection* connection) {
  const absl::StatusOr<int> version = QueryNumber(connection, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  const absl::StatusOr<int> application = QueryNumber(connection, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  const absl::StatusOr<int> objects = QueryNumber(connection, "SELECT count(*) FROM sqlite_schema");
  if (!objects.ok()) return objects.status();

  const bool is_new = *version == 0 && *application == 0 && *objects == 0;
  if (!is_new && *application != kSqliteApplicationId) {
    return absl::FailedPreconditionError(
        "the file is an SQLite database of another program; configure a file of the coordinator's "
        "own");
  }
  if (*version > kSqliteSchemaVersion || *version < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file has schema version ", *version, ", this coordinator knows versions ",
                     "up to ", kSqliteSchemaVersion,
                     "; start the newer coordinator that wrote it, or restore an older backup"));
  }
  if (*version == kSqliteSchemaVersion) return absl::OkStatus();
  for (int step = *version; step < kSqliteSchemaVersion; ++step) {
    if (absl::Status status = connection->Execute(kSteps[step]); !status.ok()) return status;
  }
  return connection->Execute(absl::StrCat("PRAGMA application_id = ", kSqliteApplicationId,
                                          "; PRAGMA user_version = ", kSqliteSchemaVersion));
}

}  // namespace

std::string SqliteSchemaStep(int version) { return kSteps[version]; }

absl::Status MigrateSqliteSchema(SqliteConnection* connection) {
  absl::Status status = connection->Begin();
  if (status.ok()) status = Migrate(connection);
  if (status.ok()) status = connection->Commit();
  if (!status.ok()) connection->Rollback();
  return status;
}

}  // namespace closewrite
