#include "services/coordinator/store/postgres_transaction.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "services/coordinator/store/postgres_rows.h"
#include "services/coordinator/store/postgres_schema.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Place = PostgresJobCache::Place;

// Steps to find a job by its key: two, and more when it is renamed meanwhile.
constexpr int kKeyStepsMax = 9;
// Ids are drawn so many at once when Expect did not say how many there will be: few at first, then
// always twice as many.
constexpr int64_t kIdsAtOnceMin = 8;
constexpr int64_t kIdsAtOnceMax = 1024;

constexpr char kBegin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
constexpr char kLockCatalogShared[] = "SELECT pg_advisory_xact_lock_shared($1::bigint)";
constexpr char kLockCatalogAlone[] = "SELECT pg_advisory_xact_lock($1::bigint)";
// After the lock, so that no newer version of anything can come until the commit.
constexpr char kState[] =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_backend_pid(),"
    " (extract(epoch FROM now()) * 1000000)::bigint,"
    " (SELECT version FROM closewrite.schema_version),"
    " (SELECT compatible FROM closewrite.schema_version),"
    " (SELECT version FROM closewrite.pipelines_version),"
    " (SELECT due_at FROM closewrite.jobs WHERE state IN (1, 6) AND after_id = 0"
    " ORDER BY due_at, id LIMIT 1),"
    " (SELECT expires_at FROM closewrite.sessions ORDER BY expires_at LIMIT 1),"
    " (SELECT due_at FROM closewrite.tasks ORDER BY due_at LIMIT 1)";

const std::string& ClaimSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns(), "r."),
             " FROM unnest($1::bytea[], $2::bigint[]) AS u(pipeline, wanted), LATERAL (SELECT *"
             " FROM closewrite.jobs t WHERE t.state = 2 AND t.pipeline = u.pipeline"
             " ORDER BY t.rank, t.id LIMIT u.wanted FOR UPDATE SKIP LOCKED) AS r"));
  return *sql;
}

const std::string& NextDueSql() {
  static const std::string* const sql = new std::string(
      StrCat("SELECT ", PostgresNames(JobColumns()),
             " FROM closewrite.jobs WHERE state IN (1, 6) AND after_id = 0 AND due_at <= $1::bigint"
             " ORDER BY due_at, id LIMIT $2::bigint FOR UPDATE SKIP LOCKED"));
  return *sql;
}

constexpr char kEarliestDue[] =
    "SELECT due_at FROM closewrite.jobs WHERE state IN (1, 6) AND after_id = 0"
    " ORDER BY due_at, id LIMIT 1";

absl::Time TimeOrNever(PostgresRow* row) {
  if (!row->IsNull()) return row->Time();
  row->Int();
  return absl::InfiniteFuture();
}

std::vector<Job> CopyOf(const std::vector<const Job*>& jobs) {
  std::vector<Job> copies;
  copies.reserve(jobs.size());
  for (const Job* job : jobs) copies.push_back(*job);
  return copies;
}

}  // namespace

absl::Status PostgresTransaction::Begin(bool alone) {
  std::vector<PostgresQuery> batch = {{.sql = kBegin}};
  for (PostgresQuery& query : connection()->TransactionSettings()) {
    batch.push_back(std::move(query));
  }
  batch.push_back({.sql = alone ? kLockCatalogAlone : kLockCatalogShared,
                   .params = PostgresParams().Int(static_cast<int64_t>(PostgresLock::kCatalog))});
  batch.push_back({.sql = kState});
  absl::StatusOr<std::vector<PostgresResult>> results = connection()->Run(batch);
  if (!results.ok()) return results.status();
  PostgresRow row(results->back(), 0);
  const absl::Time now = absl::FromUnixMicros(row.Int());
  set_now(now);
  backend_.pid = row.Int();
  backend_.began_at_us = row.Int();
  const int64_t version = row.Int();
  const absl::Status known = CheckPostgresSchemaVersion(version, row.Int());
  pipelines_version_ = row.Int();
  earliest_due_ = TimeOrNever(&row);
  earliest_expiry_ = TimeOrNever(&row);
  earliest_task_due_ = TimeOrNever(&row);
  memory_.job_ids.DropOld(now);
  memory_.event_ids.DropOld(now);
  return known;
}

bool PostgresTransaction::FetchNow(const PostgresWanted& wanted) {
  if (!ok()) return false;
  Fail(Fetch(connection(), wanted, {&set_, &memory_, &key_owners_, Now(absl::Time())}));
  return ok();
}

void PostgresTransaction::Expect(const Expected& expected) {
  PostgresWanted wanted;
  wanted.jobs.insert(expected.jobs.begin(), expected.jobs.end());
  wanted.followers = wanted.jobs;
  wanted.attempts = wanted.jobs;
  wanted.logs.insert(expected.logs.begin(), expected.logs.end());
  for (const Lease& lease : expected.logs) wanted.jobs.insert(lease.job);
  for (const auto& [volume, path] : expected.paths) wanted.files.insert(HashOf(volume, path));
  for (const std::string& key : expected.keys) wanted.keys.insert(HashOf(key));
  for (const std::string& request : expected.requests) wanted.requests.insert(HashOf(request));
  wanted.sessions.insert(expected.sessions.begin(), expected.sessions.end());
  wanted.watchers.insert(expected.watchers.begin(), expected.watchers.end());
  for (const auto& [ledger, sequence] : expected.events) {
    const auto [first, is_new] = wanted.sequences.try_emplace(ledger, sequence);
    if (!is_new) first->second = std::min(first->second, sequence);
  }
  const int64_t paths = static_cast<int64_t>(expected.paths.size());
  wanted.event_ids = paths - memory_.event_ids.size();
  wanted.job_ids = paths - memory_.job_ids.size();
  FetchNow(wanted);
}

int64_t PostgresTransaction::IdsToDraw() {
  ids_drawn_ = std::clamp(2 * ids_drawn_, kIdsAtOnceMin, kIdsAtOnceMax);
  return ids_drawn_;
}

int64_t PostgresTransaction::DrawId(PostgresIds* ids, int64_t PostgresWanted::*count,
                                    int64_t floor) {
  if (!ids->HasAbove(floor)) {
    PostgresWanted wanted;
    wanted.*count = IdsToDraw();
    if (!FetchNow(wanted)) return 0;
  }
  // Whatever the sequence gave out before is below.
  if (!ids->HasAbove(floor)) {
    Fail(absl::DataLossError(
        "the store's sequences lag behind its rows; restore the whole database, not parts of it"));
    return 0;
  }
  return ids->Take();
}

const Job* PostgresTransaction::CachedJob(JobId id) {
  if (!set_.jobs.Knows(id)) {
    PostgresWanted wanted;
    // The others are likely to be asked for next.
    if (hints_.contains(id)) wanted.jobs = std::exchange(hints_, {});
    wanted.jobs.insert(id);
    wanted.followers = wanted.jobs;
    if (!FetchNow(wanted)) return nullptr;
  }
  return ok() ? set_.jobs.Find(id) : nullptr;
}

std::optional<Job> PostgresTransaction::GetJob(JobId id) {
  const Job* const job = CachedJob(id);
  if (job == nullptr) return std::nullopt;
  return *job;
}

std::vector<Job> PostgresTransaction::ListJobs(const JobFilter& filter, JobId before,
                                               int64_t limit) {
  std::vector<Job> jobs = PostgresReads::ListJobs(filter, before, limit);
  for (const Job& job : jobs) {
    if (hints_.size() >= kHintsMax) break;
    hints_.insert(job.id);
  }
  return jobs;
}

std::vector<Job> PostgresTransaction::LeasesOf(const SessionId& session) {
  if (!set_.jobs.KnowsLeases(session)) {
    PostgresWanted wanted;
    wanted.leases.insert(session);
    FetchNow(wanted);
  }
  if (!ok()) return {};
  return CopyOf(set_.jobs.LeasesOf(session));
}

std::optional<PostgresFile> PostgresTransaction::FileRow(const PostgresHash& file) {
  if (set_.files.Find(file) == nullptr) {
    PostgresWanted wanted;
    wanted.files.insert(file);
    if (!FetchNow(wanted)) return std::nullopt;
  }
  return set_.files.Find(file)->value_or(PostgresFile());
}

JobId PostgresTransaction::InsertJob(const Job& job) {
  const PostgresHash file = FileOf(job.input);
  PostgresWanted wanted;
  wanted.keys.insert(HashOf(job.key));
  wanted.files.insert(file);
  if (memory_.job_ids.size() == 0) wanted.job_ids = IdsToDraw();
  const Job* same = nullptr;
  const bool was_free =
      set_.jobs.FindKey(*wanted.keys.begin(), &same) == PostgresJobCache::Key::kFree;
  FetchNow(wanted);
  if (FindJobByKey(job.key).has_value()) {
    Fail(was_free ? absl::AbortedError("the key of a job was taken meanwhile")
                  : absl::AlreadyExistsError("a job with this key is there already"));
  }
  std::optional<PostgresFile> row = FileRow(file);
  if (!ok()) return JobId{};
  Job inserted = job;
  inserted.id.value = DrawId(&memory_.job_ids, &PostgresWanted::job_ids, row->job_id);
  if (!ok()) return JobId{};
  row->job_id = inserted.id.value;
  set_.files.Put(file, row);
  set_.jobs.Put(inserted);
  set_.jobs.CompleteFollowers(inserted.id);  // nobody has heard of it yet
  return inserted.id;
}

void PostgresTransaction::UpdateJob(const Job& job) {
  const Job* const known = CachedJob(job.id);
  if (!ok()) return;
  if (known == nullptr) {
    Fail(absl::NotFoundError(StrCat("no job ", job.id.value, " to update")));
    return;
  }
  if (known->key != job.key && FindJobByKey(job.key).has_value()) {
    Fail(absl::AlreadyExistsError("another job has this key"));
  }
  if (ok()) set_.jobs.Put(job);
}

std::optional<Job> PostgresTransaction::FindJobByKey(const std::string& key) {
  const PostgresHash hash = HashOf(key);
  for (int step = 0; step < kKeyStepsMax && ok(); ++step) {
    const Job* job = nullptr;
    const PostgresJobCache::Key known = set_.jobs.FindKey(hash, &job);
    if (known == PostgresJobCache::Key::kTaken) return *job;
    if (known == PostgresJobCache::Key::kFree) return std::nullopt;
    const auto owner = key_owners_.find(hash);
    if (owner == key_owners_.end()) {
      PostgresWanted wanted;
      wanted.keys.insert(hash);
      FetchNow(wanted);
      continue;
    }
    // Of all keys that were looked up, as they will be asked for too.
    PostgresWanted wanted;
    for (const auto& [other, id] : key_owners_) wanted.jobs.insert(id);
    wanted.followers = wanted.jobs;
    key_owners_.clear();
    FetchNow(wanted);
  }
  Fail(absl::AbortedError("a job that is looked for by its key is renamed all the time"));
  return std::nullopt;
}

std::optional<Job> PostgresTransaction::LastInLine(const std::string& pipeline,
                                                   const std::string& volume,
                                                   const std::string& path) {
  const PostgresHash file = HashOf(volume, path);
  if (!set_.jobs.KnowsUnfinished(file)) {
    PostgresWanted wanted;
    wanted.files.insert(file);
    FetchNow(wanted);
  }
  if (!ok()) return std::nullopt;
  const std::vector<const Job*> jobs = set_.jobs.Unfinished(file);
  absl::flat_hash_set<JobId> waited_for;
  for (const Job* job : jobs) waited_for.insert(job->after);
  const auto last = std::find_if(jobs.rbegin(), jobs.rend(), [&](const Job* job) {
    return job->pipeline == pipeline && !waited_for.contains(job->id);
  });
  if (last == jobs.rend()) return std::nullopt;
  return **last;
}

std::vector<Job> PostgresTransaction::Claim(const std::vector<Wish>& wishes) {
  PostgresRows rows;
  for (const Wish& wish : wishes) {
    // Those that this transaction has taken lie in front of the others, and are ours to lock.
    if (wish.limit <= 0) continue;
    rows.Row().Bytes(wish.pipeline).Int(wish.limit + set_.jobs.TakenOf(wish.pipeline));
  }
  if (!ok() || rows.empty()) return {};
  const PostgresQuery query{.sql = ClaimSql(), .params = PostgresParams().Rows(std::move(rows))};
  const absl::StatusOr<std::vector<PostgresResult>> results = connection()->Run({query});
  Fail(results.status());
  std::vector<Job> claimed;
  if (!ok()) return claimed;
  for (const Job& job : ReadJobs(results->front(), sticky_status())) {
    set_.jobs.Load(job, Place::kJobs);
  }
  if (!ok()) return claimed;
  // What the database gave, and what this transaction has made available.
  for (const Wish& wish : wishes) {
    for (const Job* job : set_.jobs.Available(wish.pipeline, wish.limit)) claimed.push_back(*job);
  }
  return claimed;
}

std::vector<Job> PostgresTransaction::NextDue(absl::Time now, int64_t limit) {
  if (!ok() || limit <= 0) return {};
  if (!set_.jobs.due_touched() && earliest_due_ > now) return {};
  std::vector<Job> jobs = ReadJobs(
      Ask({.sql = NextDueSql(), .params = PostgresParams().Time(now).Int(limit)}), sticky_status());
  for (const Job& job : jobs) set_.jobs.Load(job, Place::kJobs);
  return jobs;
}

absl::Time PostgresTransaction::EarliestDue() {
  if (ok() && set_.jobs.due_touched()) {
    const PostgresResult result = Ask({.sql = kEarliestDue});
    earliest_due_ = absl::InfiniteFuture();
    if (result.rows() > 0) earliest_due_ = PostgresRow(result, 0).Time();
    set_.jobs.ForgetDue();
  }
  return ok() ? earliest_due_ : absl::InfiniteFuture();
}

std::vector<Job> PostgresTransaction::Followers(JobId id) {
  if (id.value == 0) return {};
  if (!set_.jobs.KnowsFollowers(id)) {
    PostgresWanted wanted;
    wanted.followers.insert(id);
    // When a session is ended, all its jobs are asked for one by one.
    for (const JobId leased : set_.jobs.Leased()) wanted.followers.insert(leased);
    FetchNow(wanted);
  }
  if (!ok()) return {};
  return CopyOf(set_.jobs.Followers(id));
}

}  // namespace closewrite
