#include "services/coordinator/store/postgres_job_cache.h"

#include <memory>

#include "services/coordinator/store/postgres_rows.h"

namespace closewrite {
namespace {

using Place = PostgresJobCache::Place;

Place PlaceOf(const Job& job) { return IsFinal(job.state) ? Place::kHistory : Place::kJobs; }

bool WaitsForTime(JobState state) {
  return state == JobState::kScheduled || state == JobState::kRetrying;
}

constexpr char kDeleteJobs[] =
    "DELETE FROM closewrite.jobs AS t USING unnest($1::bigint[]) AS u(id) WHERE t.id = u.id";
constexpr char kDeleteHistory[] =
    "DELETE FROM closewrite.history AS t USING unnest($1::bigint[]) AS u(id) WHERE t.id = u.id";
constexpr char kDeleteKeys[] =
    "DELETE FROM closewrite.job_keys AS t USING unnest($1::uuid[]) AS u(key) WHERE t.key = u.key";
constexpr char kInsertKeys[] =
    "INSERT INTO closewrite.job_keys(key, job_id, event_id)"
    " SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])";

const std::string& InsertSql(Place place) {
  static const std::string* const jobs =
      new std::string(PostgresInsert("closewrite.jobs", JobColumns()));
  static const std::string* const history =
      new std::string(PostgresInsert("closewrite.history", JobColumns()));
  return place == Place::kJobs ? *jobs : *history;
}

const std::string& UpdateSql(Place place) {
  static const std::string* const jobs =
      new std::string(PostgresUpdate("closewrite.jobs", JobColumns()));
  static const std::string* const history =
      new std::string(PostgresUpdate("closewrite.history", JobColumns()));
  return place == Place::kJobs ? *jobs : *history;
}

template <class Map, class Key>
const typename Map::mapped_type* FindIn(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

// What is written to one of the two tables.
struct Writes {
  PostgresArray deleted;
  int64_t deletions = 0;
  PostgresRows inserted;
  PostgresRows updated;
};

void AddTo(std::vector<PostgresQuery>* batch, std::string_view sql, PostgresRows* rows) {
  if (rows->empty()) return;
  batch->push_back({.sql = sql, .params = PostgresParams().Rows(std::move(*rows))});
}

void AddTo(std::vector<PostgresQuery>* batch, std::string_view sql, PostgresArray* array,
           int64_t count) {
  if (count == 0) return;
  batch->push_back({.sql = sql, .params = PostgresParams().Array(std::move(*array))});
}

}  // namespace

void PostgresJobCache::Index(const Row& row) {
  const Job& job = row.job;
  by_key_[row.job_key] = job.id;
  if (!IsFinal(job.state)) by_file_[row.job_file].insert(job.id);
  if (job.after.value != 0) by_after_[job.after].insert(job.id);
  if (job.state == JobState::kRunning) by_session_[job.session].insert(job.id);
  if (job.state == JobState::kAvailable) available_[job.pipeline].emplace(~job.priority, job.id);
}

void PostgresJobCache::Unindex(const Row& row) {
  const Job& job = row.job;
  const auto key = by_key_.find(row.job_key);
  if (key != by_key_.end() && key->second == job.id) {
    by_key_.erase(key);
    free_keys_.insert(row.job_key);
  }
  if (!IsFinal(job.state)) by_file_[row.job_file].erase(job.id);
  if (job.after.value != 0) by_after_[job.after].erase(job.id);
  if (job.state == JobState::kRunning) by_session_[job.session].erase(job.id);
  if (job.state == JobState::kAvailable) available_[job.pipeline].erase({~job.priority, job.id});
}

void PostgresJobCache::CountTaken(const Row& row, int by) {
  const bool was = row.place == Place::kJobs && row.state == JobState::kAvailable;
  const bool is = row.job.state == JobState::kAvailable && row.job.pipeline == row.pipeline &&
                  row.job.priority == row.priority;
  if (was && !is) taken_[row.pipeline] += by;
}

void PostgresJobCache::Store(Place place, Row* row) {
  row->place = place;
  row->state = row->job.state;
  row->priority = row->job.priority;
  row->pipeline = row->job.pipeline;
  row->key = row->job_key;
  row->event_id = row->job.event_id;
}

void PostgresJobCache::Load(const Job& job, Place place) {
  auto& row = rows_[job.id];
  if (row != nullptr) return;
  row = std::make_unique<Row>();
  row->job = job;
  row->job_key = HashOf(job.key);
  row->job_file = FileOf(job.input);
  Store(place, row.get());
  absent_.erase(job.id);
  Index(*row);
}

void PostgresJobCache::Put(const Job& job) {
  auto& row = rows_[job.id];
  if (row == nullptr) {
    row = std::make_unique<Row>();
    absent_.erase(job.id);
  } else {
    due_touched_ |= WaitsForTime(row->job.state);
    CountTaken(*row, -1);
    Unindex(*row);
  }
  due_touched_ |= WaitsForTime(job.state);
  row->job = job;
  row->job_key = HashOf(job.key);
  row->job_file = FileOf(job.input);
  CountTaken(*row, 1);
  Index(*row);
  if (!row->dirty) dirty_.push_back(job.id);
  row->dirty = true;
}

void PostgresJobCache::Clear() {
  const bool due_touched = due_touched_;
  *this = PostgresJobCache();
  due_touched_ = due_touched;
}

const Job* PostgresJobCache::Find(JobId id) const {
  const auto found = rows_.find(id);
  return found == rows_.end() ? nullptr : &found->second->job;
}

PostgresJobCache::Key PostgresJobCache::FindKey(const PostgresHash& key, const Job** job) const {
  if (const JobId* const id = FindIn(by_key_, key); id != nullptr) {
    *job = Find(*id);
    return Key::kTaken;
  }
  return free_keys_.contains(key) ? Key::kFree : Key::kUnknown;
}

std::vector<const Job*> PostgresJobCache::JobsOf(const Ids* ids) const {
  std::vector<const Job*> jobs;
  if (ids == nullptr) return jobs;
  for (const JobId id : *ids) jobs.push_back(Find(id));
  return jobs;
}

std::vector<const Job*> PostgresJobCache::Unfinished(const PostgresHash& file) const {
  return JobsOf(FindIn(by_file_, file));
}

std::vector<const Job*> PostgresJobCache::Followers(JobId id) const {
  return JobsOf(FindIn(by_after_, id));
}

std::vector<const Job*> PostgresJobCache::LeasesOf(const SessionId& session) const {
  return JobsOf(FindIn(by_session_, session));
}

std::vector<JobId> PostgresJobCache::Leased() const {
  std::vector<JobId> ids;
  for (const auto& [session, of_session] : by_session_) {
    ids.insert(ids.end(), of_session.begin(), of_session.end());
  }
  return ids;
}

std::vector<const Job*> PostgresJobCache::Available(const std::string& pipeline,
                                                    int64_t limit) const {
  std::vector<const Job*> jobs;
  const auto* const places = FindIn(available_, pipeline);
  if (places == nullptr) return jobs;
  for (const auto& [rank, id] : *places) {
    if (static_cast<int64_t>(jobs.size()) >= limit) break;
    jobs.push_back(Find(id));
  }
  return jobs;
}

int64_t PostgresJobCache::TakenOf(const std::string& pipeline) const {
  const int64_t* const taken = FindIn(taken_, pipeline);
  return taken == nullptr ? 0 : *taken;
}

void PostgresJobCache::AddWrites(std::vector<PostgresQuery>* batch) {
  Writes jobs;
  Writes history;
  PostgresArray freed_keys;
  int64_t keys_freed = 0;
  PostgresRows new_keys;
  for (const JobId id : dirty_) {
    Row& row = *rows_[id];
    const Place place = PlaceOf(row.job);
    const bool is_new = row.place == Place::kNowhere;
    const bool renamed = row.key != row.job_key || row.event_id != row.job.event_id;
    if (!is_new && renamed) {
      freed_keys.Hash(row.key);
      ++keys_freed;
    }
    if (is_new || renamed) {
      new_keys.Row().Hash(row.job_key).Int(row.job.id.value).Int(row.job.event_id);
    }
    Writes& to = place == Place::kJobs ? jobs : history;
    if (!is_new && place != row.place) {
      Writes& from = row.place == Place::kJobs ? jobs : history;
      from.deleted.Int(id.value);
      ++from.deletions;
    }
    WriteJob(row.job, place == row.place ? &to.updated : &to.inserted);
    CountTaken(row, -1);
    Store(place, &row);
    row.dirty = false;
    CountTaken(row, 1);
  }
  dirty_.clear();
  // What is freed comes first, as it may be taken again.
  AddTo(batch, kDeleteKeys, &freed_keys, keys_freed);
  AddTo(batch, kInsertKeys, &new_keys);
  AddTo(batch, kDeleteJobs, &jobs.deleted, jobs.deletions);
  AddTo(batch, kDeleteHistory, &history.deleted, history.deletions);
  AddTo(batch, UpdateSql(Place::kJobs), &jobs.updated);
  AddTo(batch, UpdateSql(Place::kHistory), &history.updated);
  AddTo(batch, InsertSql(Place::kJobs), &jobs.inserted);
  AddTo(batch, InsertSql(Place::kHistory), &history.inserted);
}

}  // namespace closewrite
