#include "services/coordinator/store/sqlite_reader.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/job_filter.h"
#include "services/coordinator/store/sqlite_counts.h"
#include "services/coordinator/store/sqlite_rows.h"

namespace closewrite {
namespace {

// INDEXED BY where the planner, which has no statistics, could take another index that fits too.

constexpr char kGetJob[] = CLOSEWRITE_JOB_SELECT CLOSEWRITE_JOB_FILE "WHERE j.id = ?";

// A list of jobs: where to look for them, by an index, and what else must be true. The numbers of
// the parameters are the order in which BindJobFilter binds.
#define CLOSEWRITE_JOB_FILTER                                                              \
  "j.id < ?1 AND (?3 IS NULL OR j.pipeline = ?3) AND (?5 IS NULL OR j.output_volume = ?5)" \
  " AND (?4 IS NULL OR ?4 = (SELECT volume FROM files WHERE id = j.file_id))"
#define CLOSEWRITE_NEWEST_JOBS " ORDER BY j.id DESC LIMIT ?2"
#define CLOSEWRITE_JOBS_OF_STATES \
  CLOSEWRITE_JOB_FILTER " AND (?6 >> j.state) & 1" CLOSEWRITE_NEWEST_JOBS
constexpr char kJobsById[] =
    CLOSEWRITE_JOB_SELECT CLOSEWRITE_JOB_FILE "WHERE " CLOSEWRITE_JOBS_OF_STATES;
constexpr char kJobsByFile[] =
    CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_by_file " CLOSEWRITE_JOB_FILE
                          "WHERE j.file_id = ?7 AND " CLOSEWRITE_JOBS_OF_STATES;
constexpr char kFindFile[] = "SELECT id FROM files WHERE volume = ? AND path = ?";

// The jobs in one state, which stands in the text: each of the queries that run at once needs its
// own statement, and an index of some states is used only when the text implies it.
std::string JobsByState(JobState state, bool one_pipeline) {
  const int number = static_cast<int>(state);
  if (state != JobState::kAvailable && state != JobState::kRunning) {
    return absl::StrCat(CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_by_state " CLOSEWRITE_JOB_FILE
                                              "WHERE j.state NOT IN (2, 3) AND j.state = ",
                        number, " AND " CLOSEWRITE_JOB_FILTER CLOSEWRITE_NEWEST_JOBS);
  }
  // Their indexes have another order and are read to the end; the rows are not.
  const bool available = state == JobState::kAvailable;
  return absl::StrCat("SELECT " CLOSEWRITE_JOB_ROW " FROM (SELECT j.id FROM jobs AS j INDEXED BY ",
                      available ? "jobs_available" : "jobs_by_session", " WHERE j.state = ", number,
                      available && one_pipeline ? " AND j.pipeline = ?3" : "",
                      " AND " CLOSEWRITE_JOB_FILTER CLOSEWRITE_NEWEST_JOBS
                      ") AS i CROSS JOIN jobs AS j ON j.id = i.id " CLOSEWRITE_JOB_FILE
                      "ORDER BY j.id DESC");
}

constexpr char kCountUnfinished[] =
    "SELECT count(*) FROM jobs INDEXED BY jobs_unfinished WHERE finished = 0 AND pipeline = ?";
constexpr char kCountAvailableBefore[] =
    "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_available"
    " WHERE state = 2 AND pipeline = ?1 AND (rank, id) < (?2, ?3) LIMIT ?4)";
constexpr char kLeasesOf[] =
    CLOSEWRITE_JOB_SELECT "INDEXED BY jobs_by_session " CLOSEWRITE_JOB_FILE
                          "WHERE j.state = 3 AND j.session = ? ORDER BY j.id";
#define CLOSEWRITE_LOG_LENGTH                                                                    \
  "coalesce((SELECT c.offset + " CLOSEWRITE_CHUNK_BYTES                                          \
  " FROM log_chunks AS c WHERE c.job_id = a.job_id AND c.token = a.token ORDER BY c.offset DESC" \
  " LIMIT 1), 0)"
constexpr char kListAttempts[] = "SELECT " CLOSEWRITE_ATTEMPT_COLUMNS ", " CLOSEWRITE_LOG_LENGTH
                                 " FROM attempts AS a WHERE job_id = ? ORDER BY token";
constexpr char kGetAttempt[] = "SELECT " CLOSEWRITE_ATTEMPT_COLUMNS ", " CLOSEWRITE_LOG_LENGTH
                               " FROM attempts AS a WHERE job_id = ? AND token = ?";
constexpr char kLogLength[] =
    "SELECT offset + " CLOSEWRITE_CHUNK_BYTES
    " FROM log_chunks WHERE job_id = ? AND token = ? ORDER BY offset DESC LIMIT 1";
constexpr char kPipelinesVersion[] = "SELECT version FROM versions WHERE what = x'70'";
constexpr char kListSessions[] = "SELECT " CLOSEWRITE_SESSION_COLUMNS " FROM sessions ORDER BY id";
constexpr char kListWatchers[] =
    "SELECT " CLOSEWRITE_WATCHER_COLUMNS " FROM watchers ORDER BY host";
constexpr char kListClaims[] =
    "SELECT lock, holder, job_id, host, pid, program, user, priority, asked_at, held_since, token"
    " FROM lock_claims ORDER BY lock, holder";
constexpr char kLastChunk[] =
    "SELECT offset FROM log_chunks WHERE job_id = ? AND token = ? AND offset <= ?"
    " ORDER BY offset DESC LIMIT 1";
constexpr char kChunksFrom[] =
    "SELECT offset, format, " CLOSEWRITE_CHUNK_BYTES
    ", data FROM log_chunks WHERE job_id = ?1 AND token = ?2 AND offset >= ?3"
    " AND offset + " CLOSEWRITE_CHUNK_BYTES " > ?4 ORDER BY offset";
constexpr char kLogTotals[] = "SELECT row_count, stored_bytes, left_out_bytes FROM log_totals";
constexpr char kListTasks[] = CLOSEWRITE_TASK_SELECT "WHERE name > ? ORDER BY name LIMIT ?";
constexpr char kGetTask[] = CLOSEWRITE_TASK_SELECT "WHERE name = ?";
constexpr char kCountTasks[] = "SELECT count(*) FROM tasks";
// One step through the index a pipeline, not a job.
constexpr char kNextAvailable[] =
    "SELECT pipeline FROM jobs INDEXED BY jobs_available WHERE state = 2 AND pipeline >= ?"
    " ORDER BY pipeline LIMIT 1";
constexpr char kListPipelines[] =
    "SELECT name, version, applied_at, definition FROM pipelines ORDER BY name";
constexpr char kEventsById[] = CLOSEWRITE_EVENT_SELECT CLOSEWRITE_EVENT_FILE
    "WHERE e.id < ?1 AND (?3 IS NULL OR f.volume = ?3) ORDER BY e.id DESC LIMIT ?2";
constexpr char kEventsByFile[] = CLOSEWRITE_EVENT_SELECT CLOSEWRITE_EVENT_FILE
    "WHERE e.id < ?1 AND e.file_id = ?3 ORDER BY e.id DESC LIMIT ?2";
constexpr char kJobsOfEvent[] =
    "SELECT id FROM jobs WHERE event_id = ? AND event_id <> 0 ORDER BY id";
constexpr char kLatestEvent[] =
    CLOSEWRITE_EVENT_SELECT CLOSEWRITE_EVENT_FILE "WHERE e.file_id = ? ORDER BY e.id DESC LIMIT 1";

// 0 stands for "from the newest".
int64_t Below(int64_t before) { return before == 0 ? std::numeric_limits<int64_t>::max() : before; }

int64_t EndOf(int64_t offset, int64_t bytes) {
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  return bytes > kFar - offset ? kFar : offset + bytes;
}

int64_t MaskOf(const std::vector<JobState>& states) {
  if (states.empty()) return -1;
  int64_t mask = 0;
  for (const JobState state : states) mask |= int64_t{1} << static_cast<int>(state);
  return mask;
}

void BindJobFilter(const JobFilter& filter, JobId before, int64_t limit, SqliteQuery* query) {
  query->BindInt(Below(before.value))
      .BindInt(limit)
      .BindBytesOrNull(filter.pipeline)
      .BindBytesOrNull(filter.input_volume)
      .BindBytesOrNull(filter.output_volume);
}

}  // namespace

template <class Interface>
std::vector<Job> SqliteReads<Interface>::ReadJobs(SqliteQuery* query) {
  std::vector<Job> jobs;
  while (query->Step()) jobs.push_back(ReadJob(query));
  if (!status_.ok()) jobs.clear();
  return jobs;
}

template <class Interface>
std::optional<Job> SqliteReads<Interface>::ReadOneJob(SqliteQuery* query) {
  if (!query->Step()) return std::nullopt;
  Job job = ReadJob(query);
  if (!status_.ok()) return std::nullopt;
  return job;
}

template <class Interface>
int64_t SqliteReads<Interface>::FindFile(const std::string& volume, const std::string& path) {
  const auto [found, is_new] = files_.try_emplace({volume, path}, 0);
  if (!is_new) return found->second;
  SqliteQuery query(connection_, kFindFile, &status_);
  if (query.BindBytes(volume).BindBytes(path).Step()) found->second = query.Int();
  return found->second;
}

template <class Interface>
std::optional<Job> SqliteReads<Interface>::GetJob(JobId id) {
  SqliteQuery query(connection_, kGetJob, &status_);
  query.BindInt(id.value);
  return ReadOneJob(&query);
}

template <class Interface>
std::vector<Job> SqliteReads<Interface>::ListJobs(const JobFilter& filter, JobId before,
                                                  int64_t limit) {
  if (limit <= 0) return {};
  if (!filter.ids.empty()) return ListJobsByIds(filter, before, limit);
  const std::optional<InputPath> input = OnlyInput(filter);
  if (!input.has_value() && !filter.states.empty()) return ListJobsByStates(filter, before, limit);
  const int64_t file_id = input.has_value() ? FindFile(input->volume, input->path) : 0;
  if (input.has_value() && file_id == 0) return {};
  SqliteQuery query(connection_, input.has_value() ? kJobsByFile : kJobsById, &status_);
  BindJobFilter(filter, before, limit, &query);
  query.BindInt(MaskOf(filter.states));
  if (input.has_value()) query.BindInt(file_id);
  return ReadJobs(&query);
}

template <class Interface>
std::vector<Job> SqliteReads<Interface>::ListJobsByIds(const JobFilter& filter, JobId before,
                                                       int64_t limit) {
  const std::set<JobId, std::greater<>> ids(filter.ids.begin(), filter.ids.end());
  JobFilter rest = filter;
  rest.ids.clear();
  std::vector<Job> jobs;
  for (const JobId id : ids) {
    if (static_cast<int64_t>(jobs.size()) >= limit) break;
    if (id.value >= Below(before.value)) continue;
    std::optional<Job> job = GetJob(id);
    if (job.has_value() && Matches(rest, *job)) jobs.push_back(*std::move(job));
  }
  if (!status_.ok()) jobs.clear();
  return jobs;
}

// Merges one query per state, each of which gives its jobs in the right order and at most `limit`,
// however rare or frequent a state is.
template <class Interface>
std::vector<Job> SqliteReads<Interface>::ListJobsByStates(const JobFilter& filter, JobId before,
                                                          int64_t limit) {
  struct Source {
    std::unique_ptr<SqliteQuery> query;
    Job next;
  };
  std::vector<Source> sources;
  for (const JobState state : std::set<JobState>(filter.states.begin(), filter.states.end())) {
    Source source;
    source.query = std::make_unique<SqliteQuery>(
        connection_, JobsByState(state, !filter.pipeline.empty()), &status_);
    BindJobFilter(filter, before, limit, source.query.get());
    if (!source.query->Step()) continue;
    source.next = ReadJob(source.query.get());
    sources.push_back(std::move(source));
  }
  std::vector<Job> jobs;
  while (!sources.empty() && static_cast<int64_t>(jobs.size()) < limit) {
    const auto newest =
        std::max_element(sources.begin(), sources.end(),
                         [](const Source& a, const Source& b) { return a.next.id < b.next.id; });
    jobs.push_back(std::move(newest->next));
    if (newest->query->Step()) {
      newest->next = ReadJob(newest->query.get());
    } else {
      sources.erase(newest);
    }
  }
  if (!status_.ok()) jobs.clear();
  return jobs;
}

template <class Interface>
int64_t SqliteReads<Interface>::CountUnfinished(const std::string& pipeline) {
  SqliteQuery query(connection_, kCountUnfinished, &status_);
  return query.BindBytes(pipeline).Step() ? query.Int() : 0;
}

template <class Interface>
int64_t SqliteReads<Interface>::CountAvailableBefore(const Job& job, int64_t limit) {
  if (limit <= 0) return 0;
  SqliteQuery query(connection_, kCountAvailableBefore, &status_);
  query.BindBytes(job.pipeline).BindInt(-job.priority).BindInt(job.id.value).BindInt(limit);
  return query.Step() ? query.Int() : 0;
}

template <class Interface>
std::vector<Job> SqliteReads<Interface>::LeasesOf(const SessionId& session) {
  SqliteQuery query(connection_, kLeasesOf, &status_);
  query.BindBytes(session);
  return ReadJobs(&query);
}

template <class Interface>
int64_t SqliteReads<Interface>::LogLength(const Lease& lease) {
  SqliteQuery query(connection_, kLogLength, &status_);
  return query.BindInt(lease.job.value).BindInt(lease.token.value).Step() ? query.Int() : 0;
}

template <class Interface>
int64_t SqliteReads<Interface>::PipelinesVersion() {
  SqliteQuery query(connection_, kPipelinesVersion, &status_);
  return query.Step() ? query.Int() : 0;
}

template <class Interface>
std::vector<SessionRecord> SqliteReads<Interface>::ListSessions() {
  SqliteQuery query(connection_, kListSessions, &status_);
  std::vector<SessionRecord> sessions;
  while (query.Step()) sessions.push_back(ReadSession(&query));
  if (!status_.ok()) sessions.clear();
  return sessions;
}

template <class Interface>
std::vector<Watcher> SqliteReads<Interface>::ListWatchers() {
  SqliteQuery query(connection_, kListWatchers, &status_);
  std::vector<Watcher> watchers;
  while (query.Step()) watchers.push_back(ReadWatcher(&query));
  if (!status_.ok()) watchers.clear();
  return watchers;
}

template <class Interface>
std::vector<LockClaim> SqliteReads<Interface>::ListClaims() {
  SqliteQuery query(connection_, kListClaims, &status_);
  std::vector<LockClaim> claims;
  while (query.Step()) {
    LockClaim& claim = claims.emplace_back();
    claim.lock = query.Bytes();
    claim.holder = query.Bytes();
    claim.job = JobId{query.Int()};
    claim.host = query.Bytes();
    claim.pid = query.Int();
    claim.program = query.Bytes();
    claim.user = query.Bytes();
    claim.priority = static_cast<int>(query.Int());
    claim.asked_at = query.Time();
    claim.held_since = query.Time();
    claim.token = query.Int();
  }
  if (!status_.ok()) claims.clear();
  return claims;
}

template <class Interface>
std::vector<Attempt> SqliteReads<Interface>::ListAttempts(JobId id) {
  SqliteQuery query(connection_, kListAttempts, &status_);
  query.BindInt(id.value);
  std::vector<Attempt> attempts;
  while (query.Step()) attempts.push_back(ReadAttempt(&query));
  if (!status_.ok()) attempts.clear();
  return attempts;
}

template <class Interface>
std::optional<Attempt> SqliteReads<Interface>::GetAttempt(const Lease& lease) {
  SqliteQuery query(connection_, kGetAttempt, &status_);
  if (!query.BindInt(lease.job.value).BindInt(lease.token.value).Step()) return std::nullopt;
  return ReadAttempt(&query);
}

// Where the last row begins that begins at `offset` or before; -1 when there is none.
template <class Interface>
int64_t SqliteReads<Interface>::LastChunk(const Lease& lease, int64_t offset) {
  SqliteQuery query(connection_, kLastChunk, &status_);
  query.BindInt(lease.job.value).BindInt(lease.token.value).BindInt(offset);
  return query.Step() ? query.Int() : -1;
}

// Rows that begin at `first` or later and end behind `offset`: the first one, and those that begin
// before `end`.
template <class Interface>
std::vector<LogRow> SqliteReads<Interface>::ReadChunks(const Lease& lease, int64_t first,
                                                       int64_t offset, int64_t end) {
  SqliteQuery query(connection_, kChunksFrom, &status_);
  query.BindInt(lease.job.value).BindInt(lease.token.value).BindInt(first).BindInt(offset);
  std::vector<LogRow> rows;
  while (query.Step()) {
    LogRow row;
    row.offset = query.Int();
    if (!rows.empty() && row.offset >= end) break;
    row.format = static_cast<LogFormat>(query.Int());
    row.bytes = query.Int();
    row.data = query.Bytes();
    rows.push_back(std::move(row));
  }
  if (!status_.ok()) rows.clear();
  return rows;
}

template <class Interface>
std::vector<LogRow> SqliteReads<Interface>::ReadLog(const Lease& lease, int64_t offset,
                                                    int64_t bytes_max) {
  if (offset < 0 || bytes_max <= 0) return {};
  return ReadChunks(lease, LastChunk(lease, offset), offset, EndOf(offset, bytes_max));
}

template <class Interface>
std::vector<LogRow> SqliteReads<Interface>::ReadLogBefore(const Lease& lease, int64_t offset,
                                                          int64_t bytes_max) {
  if (offset <= 0 || bytes_max <= 0) return {};
  const int64_t last = LastChunk(lease, offset - 1);
  if (last < 0) return {};
  return ReadChunks(lease, std::min(last, offset - bytes_max), -1, offset);
}

template <class Interface>
LogTotals SqliteReads<Interface>::GetLogTotals() {
  SqliteQuery query(connection_, kLogTotals, &status_);
  LogTotals totals;
  if (!query.Step()) return totals;
  totals.rows = query.Int();
  totals.stored_bytes = query.Int();
  totals.left_out_bytes = query.Int();
  return totals;
}

template <class Interface>
std::vector<StoredPipeline> SqliteReads<Interface>::ListPipelines() {
  SqliteQuery query(connection_, kListPipelines, &status_);
  std::vector<StoredPipeline> pipelines;
  while (query.Step()) {
    StoredPipeline pipeline;
    pipeline.name = query.Bytes();
    pipeline.version = static_cast<int>(query.Int());
    pipeline.applied_at = query.Time();
    pipeline.definition = query.Bytes();
    pipelines.push_back(std::move(pipeline));
  }
  if (!status_.ok()) pipelines.clear();
  return pipelines;
}

template <class Interface>
std::vector<StoredTask> SqliteReads<Interface>::ListTasks(const std::string& after, int64_t limit) {
  if (limit <= 0) return {};
  SqliteQuery query(connection_, kListTasks, &status_);
  query.BindBytes(after).BindInt(limit);
  return ReadTasks(&query);
}

template <class Interface>
std::optional<StoredTask> SqliteReads<Interface>::GetTask(const std::string& name) {
  SqliteQuery query(connection_, kGetTask, &status_);
  query.BindBytes(name);
  std::vector<StoredTask> tasks = ReadTasks(&query);
  if (tasks.empty()) return std::nullopt;
  return std::move(tasks.front());
}

template <class Interface>
std::vector<JobCount> SqliteReads<Interface>::CountJobs(int64_t limit) {
  return ReadJobCounts(connection_, limit, &status_);
}

template <class Interface>
int64_t SqliteReads<Interface>::CountTasks() {
  SqliteQuery query(connection_, kCountTasks, &status_);
  return query.Step() ? query.Int() : 0;
}

template <class Interface>
std::vector<std::string> SqliteReads<Interface>::AvailablePipelines(const std::string& prefix,
                                                                    int64_t limit) {
  std::vector<std::string> names;
  std::string from = prefix;
  while (static_cast<int64_t>(names.size()) < limit) {
    SqliteQuery query(connection_, kNextAvailable, &status_);
    if (!query.BindBytes(from).Step()) break;
    std::string name = query.Bytes();
    if (name.compare(0, prefix.size(), prefix) != 0) break;
    from = name + '\0';
    names.push_back(std::move(name));
  }
  return names;
}

template <class Interface>
std::vector<EventRecord> SqliteReads<Interface>::ListEvents(const std::string& volume,
                                                            const std::string& path, int64_t before,
                                                            int64_t limit) {
  if (limit <= 0) return {};
  const bool one_path = !volume.empty() && !path.empty();
  const int64_t file_id = one_path ? FindFile(volume, path) : 0;
  if (one_path && file_id == 0) return {};
  SqliteQuery query(connection_, one_path ? kEventsByFile : kEventsById, &status_);
  query.BindInt(Below(before)).BindInt(limit);
  if (one_path) {
    query.BindInt(file_id);
  } else {
    query.BindBytesOrNull(volume);
  }
  std::vector<EventRecord> events;
  while (query.Step()) events.push_back(ReadEvent(&query));
  if (!status_.ok()) events.clear();
  return events;
}

template <class Interface>
std::vector<JobId> SqliteReads<Interface>::JobsOfEvent(int64_t event_id) {
  SqliteQuery query(connection_, kJobsOfEvent, &status_);
  query.BindInt(event_id);
  std::vector<JobId> ids;
  while (query.Step()) ids.push_back(JobId{query.Int()});
  if (!status_.ok()) ids.clear();
  return ids;
}

template <class Interface>
std::optional<EventRecord> SqliteReads<Interface>::LatestEvent(const std::string& volume,
                                                               const std::string& path) {
  const int64_t file_id = FindFile(volume, path);
  if (file_id == 0) return std::nullopt;
  SqliteQuery query(connection_, kLatestEvent, &status_);
  if (!query.BindInt(file_id).Step()) return std::nullopt;
  return ReadEvent(&query);
}

template class SqliteReads<StoreReader>;
template class SqliteReads<StoreTransaction>;

}  // namespace closewrite
