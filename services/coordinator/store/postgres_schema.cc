#include "services/coordinator/store/postgres_schema.h"

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace closewrite {
namespace {

// All bytes are bytea, because names and paths need not be UTF-8. All times are nanoseconds since
// 1970; the smallest and the largest number stand for the infinite past and future. The numbers of
// states are those of JobState. `file` is the hash of volume and path, `key` that of the key.
//
// A job lies in `jobs` while it is not final, in `history` afterwards, and moves in the transaction
// that ends it (or brings it back). What is one for all its life lies in `job_keys`: so a key is
// unique over both. `files` has the newest event and job of each file; its rows are also what
// transactions that are about the same file wait for.
//
// `jobs` is inserted into, updated and deleted from all the time: a page keeps room for the next
// versions of its rows, and vacuum comes early and does not rest.
constexpr const char* kVersion1[] = {
    "CREATE TABLE closewrite.schema_version(version bigint NOT NULL)",
    "INSERT INTO closewrite.schema_version VALUES (0)",
    "CREATE TABLE closewrite.pipelines_version(version bigint NOT NULL)",
    "INSERT INTO closewrite.pipelines_version VALUES (0)",
    "CREATE SEQUENCE closewrite.job_ids",
    "CREATE SEQUENCE closewrite.event_ids",
    R"sql(CREATE TABLE closewrite.jobs(
  id bigint NOT NULL,
  event_id bigint NOT NULL,
  caused_by_job bigint NOT NULL,
  token bigint NOT NULL,
  after_id bigint NOT NULL,
  input_inode bigint NOT NULL,
  input_size bigint NOT NULL,
  input_mtime bigint NOT NULL,
  created_at bigint NOT NULL,
  due_at bigint NOT NULL,
  leased_at bigint NOT NULL,
  started_at bigint NOT NULL,
  finished_at bigint NOT NULL,
  observed_at bigint NOT NULL,
  rank integer NOT NULL,
  attempts integer NOT NULL,
  attempts_base integer NOT NULL,
  crashes integer NOT NULL,
  pid integer NOT NULL,
  exit_code integer NOT NULL,
  state smallint NOT NULL,
  file uuid NOT NULL,
  pipeline bytea NOT NULL,
  key bytea NOT NULL,
  input_volume bytea NOT NULL,
  input_path bytea NOT NULL,
  output_volume bytea NOT NULL,
  outputs bytea NOT NULL,
  session bytea NOT NULL,
  executor bytea NOT NULL,
  host bytea NOT NULL,
  message bytea NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0))sql",
    "CREATE TABLE closewrite.history (LIKE closewrite.jobs)",
    "ALTER TABLE closewrite.jobs ADD PRIMARY KEY (id)",
    "CREATE INDEX jobs_available ON closewrite.jobs(pipeline, rank, id) WHERE state = 2",
    "CREATE INDEX jobs_due ON closewrite.jobs(due_at, id) WHERE state IN (1, 6) AND after_id = 0",
    "CREATE INDEX jobs_leased ON closewrite.jobs(session) WHERE state = 3",
    "CREATE INDEX jobs_after ON closewrite.jobs(after_id) WHERE after_id <> 0",
    "CREATE INDEX jobs_caused ON closewrite.jobs(caused_by_job) WHERE caused_by_job <> 0",
    "CREATE INDEX jobs_by_file ON closewrite.jobs(file)",
    "ALTER TABLE closewrite.history ADD PRIMARY KEY (id)",
    "CREATE INDEX history_by_file ON closewrite.history(file, id)",
    "CREATE INDEX history_failed ON closewrite.history(state, id) WHERE state <> 5",
    "CREATE INDEX history_by_time ON closewrite.history(finished_at, id)",
    R"sql(CREATE TABLE closewrite.job_keys(
  key uuid NOT NULL PRIMARY KEY,
  job_id bigint NOT NULL,
  event_id bigint NOT NULL
))sql",
    "CREATE INDEX job_keys_by_event ON closewrite.job_keys(event_id) WHERE event_id <> 0",
    R"sql(CREATE TABLE closewrite.attempts(
  job_id bigint NOT NULL,
  token bigint NOT NULL,
  leased_at bigint NOT NULL,
  started_at bigint NOT NULL,
  ended_at bigint NOT NULL,
  cpu bigint NOT NULL,
  max_rss bigint NOT NULL,
  number integer NOT NULL,
  pid integer NOT NULL,
  outcome smallint NOT NULL,
  exit_code integer NOT NULL,
  signal integer NOT NULL,
  executor bytea NOT NULL,
  host bytea NOT NULL,
  message bytea NOT NULL,
  PRIMARY KEY (job_id, token)
))sql",
    R"sql(CREATE TABLE closewrite.log_chunks(
  job_id bigint NOT NULL,
  token bigint NOT NULL,
  start bigint NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (job_id, token, start)
))sql",
    R"sql(CREATE TABLE closewrite.events(
  id bigint NOT NULL PRIMARY KEY,
  sequence bigint NOT NULL,
  caused_by_job bigint NOT NULL,
  inode bigint NOT NULL,
  size bigint NOT NULL,
  mtime bigint NOT NULL,
  observed_at bigint NOT NULL,
  received_at bigint NOT NULL,
  kind smallint NOT NULL,
  evidence smallint NOT NULL,
  source smallint NOT NULL,
  file uuid NOT NULL,
  host bytea NOT NULL,
  ledger_id bytea NOT NULL,
  volume bytea NOT NULL,
  path bytea NOT NULL,
  UNIQUE (ledger_id, sequence)
))sql",
    "CREATE INDEX events_by_file ON closewrite.events(file, id)",
    R"sql(CREATE TABLE closewrite.files(
  file uuid NOT NULL PRIMARY KEY,
  event_id bigint NOT NULL,
  job_id bigint NOT NULL
) WITH (fillfactor = 80))sql",
    R"sql(CREATE TABLE closewrite.pipelines(
  name bytea NOT NULL PRIMARY KEY,
  version bigint NOT NULL,
  applied_at bigint NOT NULL,
  definition bytea NOT NULL
))sql",
    R"sql(CREATE TABLE closewrite.requests(
  request uuid NOT NULL PRIMARY KEY,
  recorded_at bigint NOT NULL,
  answer bytea NOT NULL
))sql",
    "CREATE INDEX requests_by_time ON closewrite.requests(recorded_at)",
    R"sql(CREATE TABLE closewrite.sessions(
  id bytea NOT NULL PRIMARY KEY,
  heartbeat_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  draining smallint NOT NULL,
  coordinator bytea NOT NULL,
  executor bytea NOT NULL
) WITH (
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0))sql",
    "CREATE INDEX sessions_by_expiry ON closewrite.sessions(expires_at)",
    R"sql(CREATE TABLE closewrite.watchers(
  host bytea NOT NULL PRIMARY KEY,
  heartbeat_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  stream bigint NOT NULL,
  ledger_id bytea NOT NULL,
  coordinator bytea NOT NULL,
  version bytea NOT NULL,
  address bytea NOT NULL,
  volumes bytea NOT NULL
) WITH (fillfactor = 50))sql",
    R"sql(CREATE TABLE closewrite.locks(
  lock bytea NOT NULL PRIMARY KEY,
  job_id bigint NOT NULL,
  since bigint NOT NULL,
  host bytea NOT NULL
) WITH (fillfactor = 50))sql",
    "CREATE INDEX locks_by_job ON closewrite.locks(job_id)",
    R"sql(CREATE TABLE closewrite.duties(
  name bytea NOT NULL PRIMARY KEY,
  taken_at bigint NOT NULL
) WITH (fillfactor = 50))sql",
    R"sql(CREATE TABLE closewrite.coordinators(
  id bytea NOT NULL PRIMARY KEY,
  epoch bigint NOT NULL,
  commits bigint NOT NULL,
  seen_at bigint NOT NULL
) WITH (fillfactor = 10))sql",
};

// Running jobs whose command is being killed.
constexpr const char* kVersion2[] = {
    "ALTER TABLE closewrite.jobs ADD COLUMN cancelling smallint NOT NULL DEFAULT 0",
    "ALTER TABLE closewrite.history ADD COLUMN cancelling smallint NOT NULL DEFAULT 0",
};

// Tasks.
constexpr const char* kVersion3[] = {
    R"sql(CREATE TABLE closewrite.tasks(
  name bytea NOT NULL PRIMARY KEY,
  version bigint NOT NULL,
  applied_at bigint NOT NULL,
  seen bigint NOT NULL,
  due_at bigint NOT NULL,
  runs bigint NOT NULL,
  last_job bigint NOT NULL,
  failures integer NOT NULL,
  started smallint NOT NULL,
  definition bytea NOT NULL
) WITH (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0))sql",
    "CREATE INDEX tasks_due ON closewrite.tasks(due_at)",
};

// Logs are records, packed, of bounded size; see log_row.h and kept_log.h. What is packed already
// is not tried once more.
constexpr const char* kLogsStep[] = {
    "ALTER TABLE closewrite.log_chunks ADD COLUMN format smallint NOT NULL DEFAULT 0",
    "ALTER TABLE closewrite.log_chunks ADD COLUMN bytes bigint NOT NULL DEFAULT 0",
    "ALTER TABLE closewrite.log_chunks ALTER COLUMN data SET STORAGE EXTERNAL",
    R"sql(CREATE TABLE closewrite.logs(
  job_id bigint NOT NULL,
  token bigint NOT NULL,
  closed_at bigint NOT NULL,
  sealed bigint NOT NULL,
  row_count bigint NOT NULL,
  stored_bytes bigint NOT NULL,
  left_out_bytes bigint NOT NULL,
  PRIMARY KEY (job_id, token)
))sql",
    "INSERT INTO closewrite.logs SELECT DISTINCT job_id, token, 9223372036854775807, 0, 0, 0, 0"
    " FROM closewrite.log_chunks",
    "CREATE INDEX logs_open ON closewrite.logs(job_id, token)"
    " WHERE closed_at = 9223372036854775807",
    "CREATE INDEX logs_closed ON closewrite.logs(closed_at, job_id, token)"
    " WHERE closed_at < 9223372036854775807",
    R"sql(CREATE TABLE closewrite.log_totals(
  row_count bigint NOT NULL,
  stored_bytes bigint NOT NULL,
  left_out_bytes bigint NOT NULL
) WITH (fillfactor = 10))sql",
    "INSERT INTO closewrite.log_totals VALUES (0, 0, 0)",
};

// Monitoring. Points are put in and erased all the time, as jobs are; the database draws their ids
// when it inserts them, so no round trip asks for one. Open executions end at the largest number.
constexpr const char* kMonitoringStep[] = {
    R"sql(CREATE TABLE closewrite.points(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  line bytea NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0))sql",
    R"sql(CREATE TABLE closewrite.increments(
  job bytea NOT NULL,
  type bytea NOT NULL,
  datasource bytea NOT NULL,
  value bigint NOT NULL,
  logged_at bigint NOT NULL,
  PRIMARY KEY (job, type, datasource)
) WITH (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0))sql",
    R"sql(CREATE TABLE closewrite.loads(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution bytea NOT NULL,
  job bytea NOT NULL,
  type bytea NOT NULL,
  datasource bytea NOT NULL,
  records bigint NOT NULL,
  increment bigint NOT NULL,
  logged_at bigint NOT NULL
))sql",
    "CREATE INDEX loads_by_time ON closewrite.loads(logged_at, id)",
    "CREATE INDEX loads_by_job ON closewrite.loads(job, logged_at, id)",
    "CREATE INDEX loads_by_datasource ON closewrite.loads(datasource, logged_at, id)",
    R"sql(CREATE TABLE closewrite.executions(
  id bytea NOT NULL PRIMARY KEY,
  job bytea NOT NULL,
  state smallint NOT NULL,
  started_at bigint NOT NULL,
  ended_at bigint NOT NULL
))sql",
    "CREATE INDEX executions_by_start ON closewrite.executions(started_at, id)",
    "CREATE INDEX executions_by_job ON closewrite.executions(job, started_at, id)",
    "CREATE INDEX executions_by_end ON closewrite.executions(ended_at, started_at, id)",
};

// Notes, and the failed jobs of a pipeline by their ends.
constexpr const char* kNotesStep[] = {
    R"sql(CREATE TABLE closewrite.notes(
  kind bytea NOT NULL,
  key bytea NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (kind, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05))sql",
    "CREATE INDEX history_failed_at ON closewrite.history(pipeline, finished_at, id)"
    " WHERE state = 7",
};

// The points of a commit are one row, whose id is the number of its last one.
constexpr const char* kPointBatchesStep[] = {
    "ALTER TABLE closewrite.points ADD COLUMN count bigint NOT NULL DEFAULT 1",
};

// Programs have locks, too, and wait for them in line; a lock may have several holders.
constexpr const char* kLockClaimsStep[] = {
    R"sql(CREATE TABLE closewrite.lock_claims(
  lock bytea NOT NULL,
  holder bytea NOT NULL,
  job_id bigint NOT NULL,
  pid bigint NOT NULL,
  priority bigint NOT NULL,
  asked_at bigint NOT NULL,
  held_since bigint NOT NULL,
  token bigint NOT NULL,
  host bytea NOT NULL,
  program bytea NOT NULL,
  owner bytea NOT NULL,
  PRIMARY KEY (lock, holder)
) WITH (fillfactor = 50))sql",
    "CREATE INDEX lock_claims_by_holder ON closewrite.lock_claims(holder)",
    "INSERT INTO closewrite.lock_claims SELECT lock, convert_to('job/' || job_id, 'UTF8'), job_id,"
    " 0, 0, since, since, 0, host, '', '' FROM closewrite.locks",
    "DROP TABLE closewrite.locks",
};

// Who changed what.
constexpr const char* kAuditStep[] = {
    R"sql(CREATE TABLE closewrite.audit(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  made_at bigint NOT NULL,
  role bytea NOT NULL,
  name bytea NOT NULL,
  portal_user bytea NOT NULL,
  peer bytea NOT NULL,
  service bytea NOT NULL,
  method bytea NOT NULL,
  request_id bytea NOT NULL,
  subject bytea NOT NULL
))sql",
    "CREATE INDEX audit_by_time ON closewrite.audit(made_at, id)",
};

constexpr const char* kCompatibleStep[] = {
    "ALTER TABLE closewrite.schema_version ADD COLUMN compatible bigint NOT NULL DEFAULT 0",
};

using Statements = std::vector<const char*>;

// What leads from version n to n + 1. A step that has been released is never edited.
std::vector<Statements> Steps() {
  return {{std::begin(kVersion1), std::end(kVersion1)},
          {std::begin(kVersion2), std::end(kVersion2)},
          {std::begin(kVersion3), std::end(kVersion3)},
          {std::begin(kLogsStep), std::end(kLogsStep)},
          {std::begin(kMonitoringStep), std::end(kMonitoringStep)},
          {std::begin(kNotesStep), std::end(kNotesStep)},
          {std::begin(kPointBatchesStep), std::end(kPointBatchesStep)},
          {std::begin(kLockClaimsStep), std::end(kLockClaimsStep)},
          {std::begin(kAuditStep), std::end(kAuditStep)},
          {std::begin(kCompatibleStep), std::end(kCompatibleStep)}};
}

constexpr char kExists[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'closewrite'), EXISTS ("
    "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'closewrite' AND c.relname = 'schema_version')";
constexpr char kVersion[] = "SELECT version FROM closewrite.schema_version";
constexpr char kCompatible[] = "SELECT compatible FROM closewrite.schema_version";

// -1 when there is no schema, 0 when there are no tables in it.
absl::StatusOr<int64_t> VersionOf(PostgresConnection* connection) {
  absl::StatusOr<std::vector<PostgresResult>> results = connection->Run({{.sql = kExists}});
  if (!results.ok()) return results.status();
  PostgresRow exists(results->front(), 0);
  if (exists.Int() == 0) return -1;
  if (exists.Int() == 0) return 0;
  results = connection->Run({{.sql = kVersion}});
  if (!results.ok()) return results.status();
  if (results->front().rows() != 1) {
    return absl::DataLossError("closewrite.schema_version is empty; restore the database");
  }
  return PostgresRow(results->front(), 0).Int();
}

// Of a schema that is newer than this build.
absl::Status CheckNewer(PostgresConnection* connection, int64_t version) {
  const absl::StatusOr<std::vector<PostgresResult>> results =
      connection->Run({{.sql = kCompatible}});
  if (!results.ok()) return results.status();
  return CheckPostgresSchemaVersion(version, PostgresRow(results->front(), 0).Int());
}

// With the catalog locked, because somebody else may have done it meanwhile.
absl::Status MigrateLocked(PostgresConnection* connection) {
  const absl::StatusOr<int64_t> version = VersionOf(connection);
  if (!version.ok()) return version.status();
  if (*version > kPostgresSchemaVersion) return CheckNewer(connection, *version);
  if (*version < 0) {
    const absl::Status made = connection->Execute("CREATE SCHEMA closewrite");
    if (!made.ok()) return made;
  }
  const std::vector<Statements> steps = Steps();
  for (size_t step = *version < 0 ? 0 : static_cast<size_t>(*version); step < steps.size();
       ++step) {
    std::vector<PostgresQuery> batch;
    for (const char* sql : steps[step]) batch.push_back({.sql = sql, .keep = false});
    if (absl::Status status = connection->Run(batch).status(); !status.ok()) return status;
  }
  return connection->Execute(
      absl::StrCat("UPDATE closewrite.schema_version SET version = ", kPostgresSchemaVersion,
                   ", compatible = ", kPostgresSchemaCompatible));
}

absl::Status Migrate(PostgresConnection* connection) {
  absl::Status status =
      connection
          ->Run({{.sql = "BEGIN"},
                 {.sql = "SELECT pg_advisory_xact_lock($1::bigint)",
                  .params = PostgresParams().Int(static_cast<int64_t>(PostgresLock::kCatalog))}})
          .status();
  if (status.ok()) status = MigrateLocked(connection);
  if (status.ok()) return connection->Execute("COMMIT");
  if (!connection->broken()) (void)connection->Execute("ROLLBACK");
  return status;
}

}  // namespace

absl::Status CheckPostgresSchemaVersion(int64_t version, int64_t compatible) {
  if (version == kPostgresSchemaVersion) return absl::OkStatus();
  if (version > kPostgresSchemaVersion && compatible <= kPostgresSchemaVersion) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the schema closewrite has version ", version,
                   ", this coordinator knows version ", kPostgresSchemaVersion,
                   version > kPostgresSchemaVersion
                       ? ": start the newer coordinator that made it, or restore an older backup"
                       : ": start it once with a role that owns the schema, so that it can bring "
                         "it up to date"));
}

absl::Status MigratePostgresSchema(PostgresConnection* connection) {
  static_assert(kPostgresSchemaVersion == 10, "add the step to Steps()");
  absl::StatusOr<int64_t> version = VersionOf(connection);
  if (version.ok() && *version == kPostgresSchemaVersion) return absl::OkStatus();
  if (version.ok() && *version > kPostgresSchemaVersion) return CheckNewer(connection, *version);
  absl::Status status = version.status();
  if (status.ok()) status = Migrate(connection);
  if (status.code() != absl::StatusCode::kFailedPrecondition || !version.ok() ||
      *version > kPostgresSchemaVersion) {
    return status;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      status.message(),
      *version < 0 ? "; the schema closewrite is not there yet"
                   : "; the schema closewrite is older than this coordinator",
      ": make the role owner of the database, or start a coordinator once with a role that may "
      "make it"));
}

}  // namespace closewrite
