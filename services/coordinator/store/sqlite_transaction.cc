#include "services/coordinator/store/sqlite_transaction.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_rows.h"

namespace closewrite {
namespace {

// INDEXED BY where the planner, which has no statistics, could take another index that fits too.

constexpr char kInsertFile[] = "INSERT INTO files(volume, path) VALUES (?,?)";
constexpr char kDeleteFile[] = "DELETE FROM files WHERE id = ?";
constexpr char kInsertJob[] =
    "INSERT INTO jobs(" CLOSEWRITE_JOB_COLUMNS
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?)";
// Each names the columns of those before it, too.
constexpr char kUpdateJobStart[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_START_COLUMNS ") = (?,?) WHERE id = ?";
constexpr char kUpdateJobLease[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_LEASE_COLUMNS ", " CLOSEWRITE_JOB_START_COLUMNS
    ") = (?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?) WHERE id = ?";
constexpr char kUpdateJobEnd[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_END_COLUMNS ", " CLOSEWRITE_JOB_LEASE_COLUMNS
    ", " CLOSEWRITE_JOB_START_COLUMNS ") = (?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?) WHERE id = ?";
constexpr char kUpdateJob[] =
    "UPDATE jobs SET (" CLOSEWRITE_JOB_COLUMNS
    ") = (?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?, ?,?) WHERE id = ?";
constexpr const char* kUpdates[] = {kUpdateJobStart, kUpdateJobLease, kUpdateJobEnd, kUpdateJob};
constexpr char kFindJobByVersion[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_by_version " CLOSEWRITE_JOB_FILE
    "WHERE j.file_id = ?1 AND j.input_mtime_ns = ?2 AND j.input_inode = ?3 AND j.input_size = ?4"
    " AND j.pipeline = ?5 AND j.key_kind = ?6 AND (?6 = 0 OR j.event_id = ?7)";
constexpr char kFindJobByKey[] = CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_by_key " CLOSEWRITE_JOB_FILE
                                                       "WHERE j.key_kind = 2 AND j.key = ?";
constexpr char kLastInLine[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_unfinished " CLOSEWRITE_JOB_FILE
    "WHERE j.finished = 0 AND j.pipeline = ? AND j.file_id = ? AND NOT EXISTS"
    " (SELECT 1 FROM jobs AS a INDEXED BY jobs_after WHERE a.after_id = j.id AND a.after_id <> 0"
    " AND a.finished = 0) ORDER BY j.id DESC LIMIT 1";
constexpr char kNextAvailable[] =
    CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_available " CLOSEWRITE_JOB_FILE
                          "WHERE j.state = 2 AND j.pipeline = ? ORDER BY j.rank, j.id LIMIT ?";
constexpr char kNextDue[] = CLOSEWRITE_JOB_SELECT
    "INDEXED BY jobs_due " CLOSEWRITE_JOB_FILE
    "WHERE j.state IN (1, 6) AND j.after_id = 0 AND j.due_at <= ? ORDER BY j.due_at, j.id LIMIT ?";
constexpr char kEarliestDue[] =
    "SELECT due_at FROM jobs INDEXED BY jobs_due WHERE state IN (1, 6) AND after_id = 0"
    " ORDER BY due_at LIMIT 1";
constexpr char kFollowers[] =
    CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_after " CLOSEWRITE_JOB_FILE
                          "WHERE j.after_id = ? AND j.after_id <> 0 ORDER BY j.id";
constexpr char kPutAttempt[] =
    "INSERT INTO attempts(" CLOSEWRITE_ATTEMPT_COLUMNS
    ", log_bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0) ON CONFLICT (job_id, token) DO UPDATE"
    " SET number = excluded.number, executor = excluded.executor, host = excluded.host,"
    " pid = excluded.pid, outcome = excluded.outcome, exit_code = excluded.exit_code,"
    " signal = excluded.signal, message = excluded.message, leased_at = excluded.leased_at,"
    " started_at = excluded.started_at, ended_at = excluded.ended_at, cpu_ns = excluded.cpu_ns,"
    " max_rss_bytes = excluded.max_rss_bytes";
constexpr char kInsertEvent[] =
    "INSERT INTO events(" CLOSEWRITE_EVENT_COLUMNS
    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (ledger_id, sequence) DO NOTHING";
constexpr char kPutPipeline[] =
    "INSERT OR REPLACE INTO pipelines(name, version, applied_at, definition) VALUES (?,?,?,?)";
constexpr char kDeletePipeline[] = "DELETE FROM pipelines WHERE name = ?";
constexpr char kRaisePipelinesVersion[] =
    "UPDATE versions SET version = version + 1 WHERE what = x'70'";
constexpr char kFindRequest[] = "SELECT answer FROM requests WHERE request_id = ?";
constexpr char kRecordRequest[] =
    "INSERT OR REPLACE INTO requests(request_id, recorded_at, answer) VALUES (?,?,?)";
constexpr char kForgetRequests[] = "DELETE FROM requests WHERE recorded_at < ?";

// Whether two jobs have the same in CLOSEWRITE_JOB_MADE_COLUMNS and so on.
bool MadeAlike(const Job& a, const Job& b) {
  return a.pipeline == b.pipeline && a.key == b.key && a.input == b.input &&
         a.event_id == b.event_id && a.output_volume == b.output_volume &&
         a.caused_by_job == b.caused_by_job && a.priority == b.priority &&
         a.created_at == b.created_at && a.observed_at == b.observed_at;
}

bool EndAlike(const Job& a, const Job& b) {
  return IsFinal(a.state) == IsFinal(b.state) && a.after == b.after && a.due_at == b.due_at &&
         a.finished_at == b.finished_at;
}

bool LeaseAlike(const Job& a, const Job& b) {
  return a.state == b.state && a.outputs == b.outputs && a.attempts == b.attempts &&
         a.attempts_base == b.attempts_base && a.crashes == b.crashes && a.token == b.token &&
         a.session == b.session && a.executor == b.executor && a.host == b.host &&
         a.exit_code == b.exit_code && a.message == b.message && a.leased_at == b.leased_at &&
         a.cancelling == b.cancelling;
}

bool StartAlike(const Job& a, const Job& b) {
  return a.started_at == b.started_at && a.pid == b.pid;
}

// How many of the groups of columns, from the start on, must be written; they are in the order of
// kUpdates. All for a difference in a field that none of them knows: it was added since.
enum Groups { kStart = 0, kLease = 1, kEnd = 2, kAll = 3 };
Groups Changed(const Job& before, const Job& job) {
  if (!MadeAlike(before, job)) return kAll;
  if (!EndAlike(before, job)) return kEnd;
  if (!LeaseAlike(before, job)) return kLease;
  return StartAlike(before, job) ? kAll : kStart;
}

}  // namespace

const Job* SqliteTransaction::Known(JobId id) const {
  const auto found = known_.find(id);
  return found == known_.end() ? nullptr : &found->second;
}

void SqliteTransaction::Remember(const Job& job) { known_.insert_or_assign(job.id, job); }

std::optional<Job> SqliteTransaction::Remembered(std::optional<Job> job) {
  if (job.has_value()) Remember(*job);
  return job;
}

std::vector<Job> SqliteTransaction::Remembered(std::vector<Job> jobs) {
  for (const Job& job : jobs) Remember(job);
  return jobs;
}

int64_t SqliteTransaction::FileFor(const std::string& volume, const std::string& path) {
  if (const int64_t id = FindFile(volume, path); id != 0) return id;
  SqliteQuery query(connection(), kInsertFile, sticky_status());
  if (!query.BindBytes(volume).BindBytes(path).Run()) return 0;
  return (*files())[{volume, path}] = connection()->LastInsertId();
}

std::optional<Job> SqliteTransaction::GetJob(JobId id) {
  const Job* const known = status().ok() ? Known(id) : nullptr;
  if (known != nullptr) return *known;
  return Remembered(SqliteReads::GetJob(id));
}

std::vector<Job> SqliteTransaction::LeasesOf(const SessionId& session) {
  return Remembered(SqliteReads::LeasesOf(session));
}

bool SqliteTransaction::KeyIsFree(const std::string& key) {
  if (absent_keys_.erase(key) == 0 && FindJobByKey(key).has_value()) {
    Fail(absl::AlreadyExistsError("a job with this key is there already"));
  }
  absent_keys_.erase(key);
  return status().ok();
}

JobId SqliteTransaction::InsertJob(const Job& job) {
  if (!status().ok() || !KeyIsFree(job.key)) return JobId{};
  const int64_t file_id = FileFor(job.input.volume, job.input.path);
  const std::string outputs = EncodeOutputs(job.outputs);
  SqliteQuery query(connection(), kInsertJob, sticky_status());
  BindJobMade(job, file_id, &query);
  BindJobEnd(job, &query);
  BindJobLease(job, outputs, &query);
  BindJobStart(job, &query);
  if (!query.Run()) return JobId{};
  const JobId id{connection()->LastInsertId()};
  Job& inserted = known_[id];
  inserted = job;
  inserted.id = id;
  return id;
}

void SqliteTransaction::UpdateJob(const Job& job) {
  if (Known(job.id) == nullptr) GetJob(job.id);
  if (!status().ok()) return;
  const Job* const before = Known(job.id);
  if (before == nullptr) {
    return Fail(absl::NotFoundError(absl::StrCat("no job ", job.id.value, " to update")));
  }
  if (job.key != before->key && !KeyIsFree(job.key)) return;
  Overwrite(*Known(job.id), job);
  Remember(job);
}

void SqliteTransaction::Overwrite(const Job& before, const Job& job) {
  if (before == job) return;
  const Groups changed = Changed(before, job);
  const int64_t file_id = changed == kAll ? FileFor(job.input.volume, job.input.path) : 0;
  const std::string outputs = changed == kStart ? "" : EncodeOutputs(job.outputs);
  SqliteQuery query(connection(), kUpdates[changed], sticky_status());
  if (changed == kAll) BindJobMade(job, file_id, &query);
  if (changed >= kEnd) BindJobEnd(job, &query);
  if (changed >= kLease) BindJobLease(job, outputs, &query);
  BindJobStart(job, &query);
  query.BindInt(job.id.value).Run();
}

std::optional<Job> SqliteTransaction::FindJobByVersion(const JobKeyParts& parts) {
  const int64_t file_id = FindFile(parts.input.volume, parts.input.path);
  if (file_id == 0) return std::nullopt;
  const JobKeyKind kind = parts.event_id == 0 ? JobKeyKind::kVersion : JobKeyKind::kEvent;
  SqliteQuery query(connection(), kFindJobByVersion, sticky_status());
  query.BindInt(file_id)
      .BindInt(parts.input.mtime_ns)
      .BindInt(static_cast<int64_t>(parts.input.inode))
      .BindInt(parts.input.size)
      .BindBytes(parts.pipeline)
      .BindInt(static_cast<int64_t>(kind))
      .BindInt(parts.event_id);
  return ReadOneJob(&query);
}

std::optional<Job> SqliteTransaction::FindJobByKey(const std::string& key) {
  const std::optional<JobKeyParts> parts = ParseJobKey(key);
  std::optional<Job> job;
  if (parts.has_value()) job = FindJobByVersion(*parts);
  if (!job.has_value()) {
    SqliteQuery query(connection(), kFindJobByKey, sticky_status());
    query.BindBytes(key);
    job = ReadOneJob(&query);
  }
  if (!job.has_value() && status().ok()) absent_keys_.insert(key);
  return Remembered(std::move(job));
}

std::optional<Job> SqliteTransaction::LastInLine(const std::string& pipeline,
                                                 const std::string& volume,
                                                 const std::string& path) {
  const int64_t file_id = FindFile(volume, path);
  if (file_id == 0) return std::nullopt;
  SqliteQuery query(connection(), kLastInLine, sticky_status());
  query.BindBytes(pipeline).BindInt(file_id);
  return Remembered(ReadOneJob(&query));
}

std::vector<Job> SqliteTransaction::Claim(const std::vector<Wish>& wishes) {
  std::vector<Job> jobs;
  for (const Wish& wish : wishes) {
    if (wish.limit <= 0) continue;
    SqliteQuery query(connection(), kNextAvailable, sticky_status());
    query.BindBytes(wish.pipeline).BindInt(wish.limit);
    for (Job& job : ReadJobs(&query)) jobs.push_back(std::move(job));
  }
  return Remembered(std::move(jobs));
}

std::vector<Job> SqliteTransaction::NextDue(absl::Time now, int64_t limit) {
  if (limit <= 0) return {};
  SqliteQuery query(connection(), kNextDue, sticky_status());
  query.BindTime(now).BindInt(limit);
  return Remembered(ReadJobs(&query));
}

absl::Time SqliteTransaction::EarliestDue() {
  SqliteQuery query(connection(), kEarliestDue, sticky_status());
  return query.Step() ? query.Time() : absl::InfiniteFuture();
}

std::vector<Job> SqliteTransaction::Followers(JobId id) {
  SqliteQuery query(connection(), kFollowers, sticky_status());
  query.BindInt(id.value);
  return Remembered(ReadJobs(&query));
}

void SqliteTransaction::PutAttempt(const Attempt& attempt) {
  SqliteQuery query(connection(), kPutAttempt, sticky_status());
  BindAttempt(attempt, &query);
  query.Run();
}

int64_t SqliteTransaction::InsertEvent(const EventRecord& record) {
  const FileVersion& file = record.event.file;
  const bool new_file = FindFile(file.volume, file.path) == 0;
  const int64_t file_id = FileFor(file.volume, file.path);
  {
    SqliteQuery query(connection(), kInsertEvent, sticky_status());
    BindEvent(record, file_id, &query);
    if (!query.Run()) return 0;
    if (connection()->Changes() != 0) return connection()->LastInsertId();
  }
  if (new_file) EraseFile(file_id);
  return 0;
}

void SqliteTransaction::EraseFile(int64_t id) {
  SqliteQuery query(connection(), kDeleteFile, sticky_status());
  query.BindInt(id).Run();
  files()->clear();
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
