#include "services/coordinator/store/postgres_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "services/coordinator/store/job_filter.h"
#include "services/coordinator/store/postgres_schema.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kReadState[] =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
    " (SELECT version FROM closewrite.schema_version),"
    " (SELECT compatible FROM closewrite.schema_version)";

const std::string& GetJobSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns()), " FROM closewrite.jobs WHERE id = $1::bigint",
             " UNION ALL SELECT ", PostgresNames(JobColumns()),
             " FROM closewrite.history WHERE id = $1::bigint"));
  return *sql;
}

// Available ones by their index; the others are few.
constexpr char kCountUnfinished[] =
    "SELECT (SELECT count(*) FROM closewrite.jobs WHERE pipeline = $1::bytea AND state = 2)"
    " + (SELECT count(*) FROM closewrite.jobs WHERE pipeline = $1::bytea AND state <> 2)";
constexpr char kCountAvailableBefore[] =
    "SELECT count(*) FROM (SELECT FROM closewrite.jobs WHERE state = 2 AND pipeline = $1::bytea"
    " AND (rank, id) < ($2::bigint, $3::bigint) ORDER BY rank, id LIMIT $4::bigint) before";

const std::string& LeasesSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns()),
             " FROM closewrite.jobs WHERE state = 3 AND session = $1::bytea ORDER BY id"));
  return *sql;
}

// The length of the log of `$1`, `$2`: where its last piece ends.
#define CLOSEWRITE_LOG_LENGTH(job, token)                                                \
  "coalesce((SELECT " CLOSEWRITE_CHUNK_END(                                              \
      "l") " FROM closewrite.log_chunks l WHERE l.job_id = " job " AND l.token = " token \
           " ORDER BY l.start DESC LIMIT 1), 0)::bigint"

const std::string& AttemptsSql(bool one) {
  const auto make = [](std::string_view where) {
    return new std::string(StrCat("SELECT ", PostgresNames(AttemptColumns(), "a."), ", ",
                                  CLOSEWRITE_LOG_LENGTH("a.job_id", "a.token"),
                                  " FROM closewrite.attempts a WHERE a.job_id = $1::bigint", where,
                                  " ORDER BY a.token"));
  };
  static const std::string* const one_of_job = make(" AND a.token = $2::bigint");
  static const std::string* const all_of_job = make("");
  return one ? *one_of_job : *all_of_job;
}

constexpr char kLogLength[] = "SELECT " CLOSEWRITE_LOG_LENGTH("$1::bigint", "$2::bigint");
#define CLOSEWRITE_CHUNKS \
  "SELECT c.start, c.format, " CLOSEWRITE_CHUNK_END("c") ", c.data FROM closewrite.log_chunks c" \
  " WHERE c.job_id = $1::bigint AND c.token = $2::bigint"
#define CLOSEWRITE_SOME_CHUNK(which) \
  "(SELECT " which " FROM closewrite.log_chunks WHERE job_id = $1::bigint AND token = $2::bigint"
// The row in which the offset lies, the one behind that, and those that begin before the end.
constexpr char kReadLog[] =
    CLOSEWRITE_CHUNKS " AND c.start >= coalesce(" CLOSEWRITE_SOME_CHUNK("max(start)")
    " AND start <= $3::bigint), 0) AND c.start < greatest($4::bigint, " CLOSEWRITE_SOME_CHUNK(
        "min(start) + 1") " AND start > $3::bigint)) AND " CLOSEWRITE_CHUNK_END("c")
    " > $3::bigint ORDER BY c.start";
constexpr char kReadLogBefore[] = CLOSEWRITE_CHUNKS
    " AND c.start < $3::bigint AND c.start >= least($4::bigint, " CLOSEWRITE_SOME_CHUNK(
        "max(start)") " AND start < $3::bigint)) ORDER BY c.start";
constexpr char kLogTotals[] =
    "SELECT row_count, stored_bytes, left_out_bytes FROM closewrite.log_totals";

std::vector<LogRow> ReadRows(const PostgresResult& result) {
  std::vector<LogRow> rows;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    LogRow& log_row = rows.emplace_back();
    log_row.offset = row.Int();
    log_row.format = static_cast<LogFormat>(row.Int());
    log_row.bytes = row.Int() - log_row.offset;
    log_row.data = row.Bytes();
  }
  return rows;
}

constexpr char kListPipelines[] =
    "SELECT name, version, applied_at, definition FROM closewrite.pipelines ORDER BY name";
constexpr char kPipelinesVersion[] = "SELECT version FROM closewrite.pipelines_version";

const std::string& TasksSql(bool one) {
  static const std::string* const all =
      new std::string(StrCat("SELECT ", PostgresNames(TaskColumns()), " FROM closewrite.tasks"));
  static const std::string* const of_name =
      new std::string(StrCat(*all, " WHERE name = $1::bytea"));
  static const std::string* const page =
      new std::string(StrCat(*all, " WHERE name > $1::bytea ORDER BY name LIMIT $2::bigint"));
  return one ? *of_name : *page;
}

constexpr char kCountJobs[] =
    "SELECT pipeline, state, count(*) FROM closewrite.jobs GROUP BY pipeline, state"
    " UNION ALL SELECT pipeline, 7, count(*) FROM (SELECT pipeline FROM closewrite.history"
    " WHERE state = 7 LIMIT $1::bigint) AS failed GROUP BY pipeline";
constexpr char kCountTasks[] = "SELECT count(*) FROM closewrite.tasks";
// One step through the index a pipeline, not a job.
constexpr char kAvailablePipelines[] =
    "WITH RECURSIVE available(name) AS ("
    "(SELECT pipeline FROM closewrite.jobs WHERE state = 2 AND pipeline >= $1::bytea"
    " ORDER BY pipeline LIMIT 1)"
    " UNION ALL SELECT (SELECT pipeline FROM closewrite.jobs WHERE state = 2 AND pipeline > a.name"
    " ORDER BY pipeline LIMIT 1) FROM available a"
    " WHERE substr(a.name, 1, length($1::bytea)) = $1::bytea)"
    " SELECT name FROM available WHERE substr(name, 1, length($1::bytea)) = $1::bytea"
    " LIMIT $2::bigint";

const std::string& EventsSql(std::string_view where) {
  static const std::string* const all = new std::string(
      StrCat("SELECT ", PostgresNames(EventColumns()), " FROM closewrite.events WHERE"));
  static const std::string* const end =
      new std::string(" id < $1::bigint ORDER BY id DESC LIMIT $2::bigint");
  static const std::string* const of_all = new std::string(StrCat(*all, *end));
  static const std::string* const of_volume =
      new std::string(StrCat(*all, " volume = $3::bytea AND", *end));
  static const std::string* const of_file =
      new std::string(StrCat(*all, " file = $3::uuid AND", *end));
  if (where == "volume") return *of_volume;
  return where == "file" ? *of_file : *of_all;
}

constexpr char kJobsOfEvent[] =
    "SELECT job_id FROM closewrite.job_keys WHERE event_id = $1::bigint AND event_id <> 0"
    " ORDER BY job_id";

const std::string& LatestEventSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(EventColumns(), "e."),
             " FROM closewrite.files f JOIN closewrite.events e ON e.id = f.event_id"
             " WHERE f.file = $1::uuid"));
  return *sql;
}

const std::string& SessionsSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(SessionColumns()), " FROM closewrite.sessions ORDER BY id"));
  return *sql;
}

const std::string& WatchersSql() {
  static const std::string* const sql = new std::string(StrCat(
      "SELECT ", PostgresNames(WatcherColumns()), " FROM closewrite.watchers ORDER BY host"));
  return *sql;
}

constexpr char kListClaims[] =
    "SELECT lock, holder, job_id, pid, priority, asked_at, held_since, token, host, program, owner"
    " FROM closewrite.lock_claims ORDER BY lock, holder";

// 0 stands for "from the newest".
int64_t Below(int64_t before) { return before == 0 ? std::numeric_limits<int64_t>::max() : before; }

}  // namespace

template <class Interface>
PostgresResult PostgresReads<Interface>::Ask(PostgresQuery query) {
  if (!status_.ok()) return PostgresResult();
  std::vector<PostgresQuery> batch = Pending();
  batch.push_back(std::move(query));
  absl::StatusOr<std::vector<PostgresResult>> results = connection_->Run(batch);
  if (!results.ok()) {
    Fail(results.status());
    return PostgresResult();
  }
  return std::move(results->back());
}

template <class Interface>
std::optional<Job> PostgresReads<Interface>::GetJob(JobId id) {
  const PostgresResult result = Ask({.sql = GetJobSql(), .params = PostgresParams().Int(id.value)});
  std::vector<Job> jobs = ReadJobs(result, &status_);
  if (jobs.empty()) return std::nullopt;
  return std::move(jobs.front());
}

template <class Interface>
std::vector<Job> PostgresReads<Interface>::ListJobs(const JobFilter& filter, JobId before,
                                                    int64_t limit) {
  if (limit <= 0) return {};
  PostgresJobList list = ListJobsQuery(filter, before, limit);
  if (list.sql.empty()) return {};
  return ReadJobs(Ask({.sql = list.sql, .params = std::move(list.params), .keep = false}),
                  &status_);
}

template <class Interface>
int64_t PostgresReads<Interface>::CountUnfinished(const std::string& pipeline) {
  const PostgresResult result =
      Ask({.sql = kCountUnfinished, .params = PostgresParams().Bytes(pipeline)});
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

template <class Interface>
int64_t PostgresReads<Interface>::CountAvailableBefore(const Job& job, int64_t limit) {
  if (limit <= 0) return 0;
  const PostgresResult result = Ask(
      {.sql = kCountAvailableBefore,
       .params =
           PostgresParams().Bytes(job.pipeline).Int(~job.priority).Int(job.id.value).Int(limit)});
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

template <class Interface>
std::vector<Job> PostgresReads<Interface>::LeasesOf(const SessionId& session) {
  return ReadJobs(Ask({.sql = LeasesSql(), .params = PostgresParams().Bytes(session)}), &status_);
}

template <class Interface>
std::vector<Attempt> PostgresReads<Interface>::ListAttempts(JobId id) {
  const PostgresResult result =
      Ask({.sql = AttemptsSql(false), .params = PostgresParams().Int(id.value)});
  std::vector<Attempt> attempts;
  for (int i = 0; i < result.rows(); ++i) attempts.push_back(ReadAttempt(PostgresRow(result, i)));
  return attempts;
}

template <class Interface>
std::optional<Attempt> PostgresReads<Interface>::GetAttempt(const Lease& lease) {
  const PostgresResult result =
      Ask({.sql = AttemptsSql(true),
           .params = PostgresParams().Int(lease.job.value).Int(lease.token.value)});
  if (result.rows() == 0) return std::nullopt;
  return ReadAttempt(PostgresRow(result, 0));
}

template <class Interface>
int64_t PostgresReads<Interface>::LogLength(const Lease& lease) {
  const PostgresResult result = Ask(
      {.sql = kLogLength, .params = PostgresParams().Int(lease.job.value).Int(lease.token.value)});
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

template <class Interface>
std::vector<LogRow> PostgresReads<Interface>::ReadLog(const Lease& lease, int64_t offset,
                                                      int64_t bytes_max) {
  if (offset < 0 || bytes_max <= 0) return {};
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  const int64_t end = bytes_max > kFar - offset ? kFar : offset + bytes_max;
  std::vector<LogRow> rows = ReadRows(
      Ask({.sql = kReadLog,
           .params =
               PostgresParams().Int(lease.job.value).Int(lease.token.value).Int(offset).Int(end)}));
  // The one behind the first was asked for in case that there is a gap.
  while (rows.size() > 1 && rows.back().offset >= end) rows.pop_back();
  return rows;
}

template <class Interface>
std::vector<LogRow> PostgresReads<Interface>::ReadLogBefore(const Lease& lease, int64_t offset,
                                                            int64_t bytes_max) {
  if (offset <= 0 || bytes_max <= 0) return {};
  return ReadRows(Ask({.sql = kReadLogBefore,
                       .params = PostgresParams()
                                     .Int(lease.job.value)
                                     .Int(lease.token.value)
                                     .Int(offset)
                                     .Int(offset - bytes_max)}));
}

template <class Interface>
LogTotals PostgresReads<Interface>::GetLogTotals() {
  const PostgresResult result = Ask({.sql = kLogTotals});
  LogTotals totals;
  if (result.rows() == 0) return totals;
  PostgresRow row(result, 0);
  totals.rows = row.Int();
  totals.stored_bytes = row.Int();
  totals.left_out_bytes = row.Int();
  return totals;
}

template <class Interface>
std::vector<StoredPipeline> PostgresReads<Interface>::ListPipelines() {
  const PostgresResult result = Ask({.sql = kListPipelines});
  std::vector<StoredPipeline> pipelines;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    StoredPipeline& pipeline = pipelines.emplace_back();
    pipeline.name = row.Bytes();
    pipeline.version = static_cast<int>(row.Int());
    pipeline.applied_at = row.Time();
    pipeline.definition = row.Bytes();
  }
  return pipelines;
}

template <class Interface>
int64_t PostgresReads<Interface>::PipelinesVersion() {
  const PostgresResult result = Ask({.sql = kPipelinesVersion});
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

template <class Interface>
std::vector<StoredTask> PostgresReads<Interface>::ListTasks(const std::string& after,
                                                            int64_t limit) {
  if (limit <= 0) return {};
  return ReadTasks(
      Ask({.sql = TasksSql(false), .params = PostgresParams().Bytes(after).Int(limit)}));
}

template <class Interface>
std::optional<StoredTask> PostgresReads<Interface>::GetTask(const std::string& name) {
  std::vector<StoredTask> tasks =
      ReadTasks(Ask({.sql = TasksSql(true), .params = PostgresParams().Bytes(name)}));
  if (tasks.empty()) return std::nullopt;
  return std::move(tasks.front());
}

template <class Interface>
std::vector<JobCount> PostgresReads<Interface>::CountJobs(int64_t limit) {
  const PostgresResult result = Ask({.sql = kCountJobs, .params = PostgresParams().Int(limit)});
  std::vector<JobCount> counts;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    JobCount& count = counts.emplace_back();
    count.pipeline = row.Bytes();
    count.state = static_cast<JobState>(row.Int());
    count.count = row.Int();
  }
  SortCounts(&counts);
  return counts;
}

template <class Interface>
int64_t PostgresReads<Interface>::CountTasks() {
  const PostgresResult result = Ask({.sql = kCountTasks});
  return result.rows() == 0 ? 0 : PostgresRow(result, 0).Int();
}

template <class Interface>
std::vector<std::string> PostgresReads<Interface>::AvailablePipelines(const std::string& prefix,
                                                                      int64_t limit) {
  if (limit <= 0) return {};
  const PostgresResult result =
      Ask({.sql = kAvailablePipelines, .params = PostgresParams().Bytes(prefix).Int(limit)});
  std::vector<std::string> names;
  for (int i = 0; i < result.rows(); ++i) names.push_back(PostgresRow(result, i).Bytes());
  return names;
}

template <class Interface>
std::vector<EventRecord> PostgresReads<Interface>::ListEvents(const std::string& volume,
                                                              const std::string& path,
                                                              int64_t before, int64_t limit) {
  if (limit <= 0) return {};
  PostgresParams params;
  params.Int(Below(before)).Int(limit);
  // A path without a volume names nothing.
  std::string_view which = "all";
  if (!volume.empty() && !path.empty()) {
    which = "file";
    params.Hash(HashOf(volume, path));
  } else if (!volume.empty()) {
    which = "volume";
    params.Bytes(volume);
  }
  return ReadEvents(Ask({.sql = EventsSql(which), .params = std::move(params)}));
}

template <class Interface>
std::vector<JobId> PostgresReads<Interface>::JobsOfEvent(int64_t event_id) {
  const PostgresResult result =
      Ask({.sql = kJobsOfEvent, .params = PostgresParams().Int(event_id)});
  std::vector<JobId> ids;
  for (int i = 0; i < result.rows(); ++i) ids.push_back(JobId{PostgresRow(result, i).Int()});
  return ids;
}

template <class Interface>
std::optional<EventRecord> PostgresReads<Interface>::LatestEvent(const std::string& volume,
                                                                 const std::string& path) {
  const PostgresResult result =
      Ask({.sql = LatestEventSql(), .params = PostgresParams().Hash(HashOf(volume, path))});
  if (result.rows() == 0) return std::nullopt;
  return ReadEvent(PostgresRow(result, 0));
}

template <class Interface>
std::vector<SessionRecord> PostgresReads<Interface>::ListSessions() {
  const PostgresResult result = Ask({.sql = SessionsSql()});
  std::vector<SessionRecord> sessions;
  for (int i = 0; i < result.rows(); ++i) {
    sessions.push_back(ReadSession(PostgresRow(result, i), &status_));
  }
  if (!status_.ok()) sessions.clear();
  return sessions;
}

template <class Interface>
std::vector<Watcher> PostgresReads<Interface>::ListWatchers() {
  const PostgresResult result = Ask({.sql = WatchersSql()});
  std::vector<Watcher> watchers;
  for (int i = 0; i < result.rows(); ++i) {
    watchers.push_back(ReadWatcher(PostgresRow(result, i), &status_));
  }
  if (!status_.ok()) watchers.clear();
  return watchers;
}

template <class Interface>
std::vector<LockClaim> PostgresReads<Interface>::ListClaims() {
  const PostgresResult result = Ask({.sql = kListClaims});
  std::vector<LockClaim> claims;
  for (int i = 0; i < result.rows(); ++i) {
    PostgresRow row(result, i);
    LockClaim& claim = claims.emplace_back();
    claim.lock = row.Bytes();
    claim.holder = row.Bytes();
    claim.job.value = row.Int();
    claim.pid = row.Int();
    claim.priority = static_cast<int>(row.Int());
    claim.asked_at = row.Time();
    claim.held_since = row.Time();
    claim.token = row.Int();
    claim.host = row.Bytes();
    claim.program = row.Bytes();
    claim.user = row.Bytes();
  }
  return claims;
}

absl::Status PostgresReader::Begin() {
  std::vector<PostgresQuery> batch = {{.sql = kBeginRead}};
  for (PostgresQuery& query : connection()->TransactionSettings()) {
    batch.push_back(std::move(query));
  }
  batch.push_back({.sql = kReadState});
  absl::StatusOr<std::vector<PostgresResult>> results = connection()->Run(batch);
  if (!results.ok()) return results.status();
  PostgresRow row(results->back(), 0);
  set_now(absl::FromUnixMicros(row.Int()));
  const int64_t version = row.Int();
  return CheckPostgresSchemaVersion(version, row.Int());
}

template class PostgresReads<StoreReader>;
template class PostgresReads<StoreTransaction>;

}  // namespace closewrite
