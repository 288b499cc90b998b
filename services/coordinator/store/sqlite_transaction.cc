#include "services/coordinator/store/sqlite_transaction.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_rows.h"

namespace closewrite {
namespace {

#define CLOSEWRITE_JOB_SELECT "SELECT id, " CLOSEWRITE_JOB_COLUMNS " FROM jobs "

// INDEXED BY where the planner, which has no statistics, could take another index that fits too.

constexpr char kInsertJob[] =
    "INSERT INTO jobs(" CLOSEWRITE_JOB_COLUMNS
    ") VALUES (?,?,?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
// First the columns that change, then the id and the columns that are expected not to.
constexpr char kUpdateJobState[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_STATE_COLUMNS
    ") = (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " WHERE id = ? AND pipeline = ? AND key = ? AND input_volume = ? AND input_path = ?"
    " AND event_id = ? AND finished = ?";
constexpr char kUpdateJob[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_COLUMNS
    ") = (?,?,?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) WHERE id = ?";
constexpr char kFindJobByKey[] = CLOSEWRITE_JOB_SELECT "WHERE key = ?";
constexpr char kFindUnfinished[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_unfinished WHERE finished = 0 AND pipeline = ? AND input_volume = ? AND "
    "input_path = ?"
    " ORDER BY id DESC LIMIT 1";
constexpr char kNextAvailable[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_available WHERE state = 2 AND pipeline = ? ORDER BY rank, id LIMIT ?";
constexpr char kNextDue[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_due WHERE state IN (1, 6) AND after_id = 0 AND due_at <= ?"
    " ORDER BY due_at, id LIMIT ?";
constexpr char kEarliestDue[] =
    "SELECT due_at FROM jobs INDEXED BY jobs_due WHERE state IN (1, 6) AND after_id = 0"
    " ORDER BY due_at LIMIT 1";
constexpr char kFollowers[] =
    CLOSEWRITE_JOB_SELECT "WHERE after_id = ? AND after_id <> 0 ORDER BY id";
constexpr char kPutAttempt[] =
    "INSERT INTO attempts(" CLOSEWRITE_ATTEMPT_COLUMNS
    ", log_bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0) ON CONFLICT (job_id, token) DO UPDATE"
    " SET number = excluded.number, executor = excluded.executor, host = excluded.host,"
    " pid = excluded.pid, outcome = excluded.outcome, exit_code = excluded.exit_code,"
    " signal = excluded.signal, message = excluded.message, leased_at = excluded.leased_at,"
    " started_at = excluded.started_at, ended_at = excluded.ended_at, cpu_ns = excluded.cpu_ns,"
    " max_rss_bytes = excluded.max_rss_bytes";
constexpr char kInsertChunk[] =
    "INSERT INTO log_chunks(job_id, token, offset, data) VALUES (?,?,?,?)";
constexpr char kInsertEvent[] =
    "INSERT INTO events(" CLOSEWRITE_EVENT_COLUMNS
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (ledger_id, sequence) DO NOTHING";
constexpr char kPutPipeline[] =
    "INSERT OR REPLACE INTO pipelines(name, version, applied_at, definition) VALUES (?,?,?,?)";
constexpr char kDeletePipeline[] = "DELETE FROM pipelines WHERE name = ?";
constexpr char kRaisePipelinesVersion[] =
    "UPDATE versions SET version = version + 1 WHERE what = x'70'";
constexpr char kFindRequest[] = "SELECT answer FROM requests WHERE request_id = ?";
constexpr char kRecordRequest[] =
    "INSERT OR REPLACE INTO requests(request_id, recorded_at, answer) VALUES (?,?,?)";
constexpr char kForgetRequests[] = "DELETE FROM requests WHERE recorded_at < ?";

}  // namespace

JobId SqliteTransaction::InsertJob(const Job& job) {
  const std::string outputs = EncodeOutputs(job.outputs);
  SqliteQuery query(connection(), kInsertJob, sticky_status());
  BindJobIdentity(job, &query);
  BindJobState(job, outputs, &query);
  if (!query.Run()) return JobId{};
  return JobId{connection()->LastInsertId()};
}

void SqliteTransaction::UpdateJob(const Job& job) {
  const std::string outputs = EncodeOutputs(job.outputs);
  {
    SqliteQuery query(connection(), kUpdateJobState, sticky_status());
    BindJobState(job, outputs, &query);
    query.BindInt(job.id.value);
    BindJobIdentity(job, &query);
    if (!query.Run() || connection()->Changes() == 1) return;
  }
  SqliteQuery query(connection(), kUpdateJob, sticky_status());
  BindJobIdentity(job, &query);
  BindJobState(job, outputs, &query);
  query.BindInt(job.id.value);
  if (query.Run() && connection()->Changes() != 1) {
    query.Fail(absl::NotFoundError(absl::StrCat("no job ", job.id.value, " to update")));
  }
}

std::optional<Job> SqliteTransaction::FindJobByKey(const std::string& key) {
  SqliteQuery query(connection(), kFindJobByKey, sticky_status());
  query.BindBytes(key);
  return ReadOneJob(&query);
}

std::optional<Job> SqliteTransaction::FindUnfinished(const std::string& pipeline,
                                                     const std::string& volume,
                                                     const std::string& path) {
  SqliteQuery query(connection(), kFindUnfinished, sticky_status());
  query.BindBytes(pipeline).BindBytes(volume).BindBytes(path);
  return ReadOneJob(&query);
}

std::vector<Job> SqliteTransaction::Claim(const std::vector<Wish>& wishes) {
  std::vector<Job> jobs;
  for (const Wish& wish : wishes) {
    if (wish.limit <= 0) continue;
    SqliteQuery query(connection(), kNextAvailable, sticky_status());
    query.BindBytes(wish.pipeline).BindInt(wish.limit);
    for (Job& job : ReadJobs(&query)) jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<Job> SqliteTransaction::NextDue(absl::Time now, int64_t limit) {
  if (limit <= 0) return {};
  SqliteQuery query(connection(), kNextDue, sticky_status());
  query.BindTime(now).BindInt(limit);
  return ReadJobs(&query);
}

absl::Time SqliteTransaction::EarliestDue() {
  SqliteQuery query(connection(), kEarliestDue, sticky_status());
  return query.Step() ? query.Time() : absl::InfiniteFuture();
}

std::vector<Job> SqliteTransaction::Followers(JobId id) {
  SqliteQuery query(connection(), kFollowers, sticky_status());
  query.BindInt(id.value);
  return ReadJobs(&query);
}

void SqliteTransaction::PutAttempt(const Attempt& attempt) {
  SqliteQuery query(connection(), kPutAttempt, sticky_status());
  BindAttempt(attempt, &query);
  query.Run();
}

int64_t SqliteTransaction::AppendLog(const Lease& lease, int64_t offset, std::string_view data) {
  int64_t recorded = LogLength(lease);
  if (offset < 0 || offset > recorded) return recorded;
  if (recorded - offset >= static_cast<int64_t>(data.size())) return recorded;
  data.remove_prefix(static_cast<size_t>(recorded - offset));
  while (!data.empty()) {
    const std::string_view chunk = data.substr(0, kLogChunkBytesMax);
    SqliteQuery query(connection(), kInsertChunk, sticky_status());
    query.BindInt(lease.job.value).BindInt(lease.token.value).BindInt(recorded).BindBytes(chunk);
    if (!query.Run()) return 0;
    recorded += static_cast<int64_t>(chunk.size());
    data.remove_prefix(chunk.size());
  }
  return recorded;
}

int64_t SqliteTransaction::InsertEvent(const EventRecord& record) {
  SqliteQuery query(connection(), kInsertEvent, sticky_status());
  BindEvent(record, &query);
  if (!query.Run() || connection()->Changes() == 0) return 0;
  return connection()->LastInsertId();
}

void SqliteTransaction::PutPipeline(const StoredPipeline& pipeline) {
  SqliteQuery query(connection(), kPutPipeline, sticky_status());
  query.BindBytes(pipeline.name).BindInt(pipeline.version).BindTime(pipeline.applied_at);
  query.BindBytes(pipeline.definition).Run();
  RaisePipelinesVersion();
}

void SqliteTransaction::RaisePipelinesVersion() {
  SqliteQuery query(connection(), kRaisePipelinesVersion, sticky_status());
  query.Run();
}

void SqliteTransaction::DeletePipeline(const std::string& name) {
  SqliteQuery query(connection(), kDeletePipeline, sticky_status());
  query.BindBytes(name).Run();
  RaisePipelinesVersion();
}

std::optional<std::string> SqliteTransaction::FindRequest(const std::string& request_id) {
  SqliteQuery query(connection(), kFindRequest, sticky_status());
  if (!query.BindBytes(request_id).Step()) return std::nullopt;
  return query.Bytes();
}

void SqliteTransaction::RecordRequest(const std::string& request_id, const std::string& answer,
                                      absl::Time now) {
  SqliteQuery query(connection(), kRecordRequest, sticky_status());
  query.BindBytes(request_id).BindTime(now).BindBytes(answer).Run();
}

void SqliteTransaction::ForgetRequests(absl::Time before) {
  SqliteQuery query(connection(), kForgetRequests, sticky_status());
  query.BindTime(before).Run();
}

}  // namespace closewrite
