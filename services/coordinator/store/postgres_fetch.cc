#include "services/coordinator/store/postgres_fetch.h"

#include <functional>
#include <limits>
#include <vector>

#include "services/coordinator/store/postgres_rows.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

using Place = PostgresJobCache::Place;

// One lookup by index for each value of the array `$1`, in its order: a join that the planner can't
// turn round. `lookup` names the value `u.key`.
std::string ForEach(std::string_view type, std::string_view names, std::string_view lookup) {
  return StrCat("SELECT ", names, " FROM unnest($1::", type, "[]) AS u(key), LATERAL (", lookup,
                ") AS r");
}

struct Sql {
  std::string requests = ForEach("uuid", "u.key, r.recorded_at, r.answer",
                                 "SELECT * FROM closewrite.requests t WHERE t.request = u.key"
                                 " OFFSET 0");
  std::string sessions =
      ForEach("bytea", PostgresNames(SessionColumns(), "r."),
              "SELECT * FROM closewrite.sessions t WHERE t.id = u.key FOR UPDATE");
  std::string watchers =
      ForEach("bytea", PostgresNames(WatcherColumns(), "r."),
              "SELECT * FROM closewrite.watchers t WHERE t.host = u.key FOR UPDATE");
  std::string files = ForEach("uuid", "r.file, r.event_id, r.job_id",
                              "SELECT * FROM closewrite.files t WHERE t.file = u.key FOR UPDATE");
  std::string unfinished = ForEach("uuid", PostgresNames(JobColumns(), "r."),
                                   "SELECT * FROM closewrite.jobs t WHERE t.file = u.key"
                                   " ORDER BY t.id FOR UPDATE");
  std::string jobs = ForEach("bigint", PostgresNames(JobColumns(), "r."),
                             "SELECT * FROM closewrite.jobs t WHERE t.id = u.key FOR UPDATE");
  std::string history = ForEach("bigint", PostgresNames(JobColumns(), "r."),
                                "SELECT * FROM closewrite.history t WHERE t.id = u.key FOR UPDATE");
  std::string followers = ForEach("bigint", PostgresNames(JobColumns(), "r."),
                                  "SELECT * FROM closewrite.jobs t WHERE t.after_id = u.key"
                                  " AND t.after_id <> 0 ORDER BY t.id FOR UPDATE");
  std::string leases = ForEach("bytea", PostgresNames(JobColumns(), "r."),
                               "SELECT * FROM closewrite.jobs t WHERE t.state = 3"
                               " AND t.session = u.key ORDER BY t.id FOR UPDATE");
  std::string keys =
      ForEach("uuid", "u.key, r.job_id",
              "SELECT t.job_id FROM closewrite.job_keys t WHERE t.key = u.key OFFSET 0");
  std::string logs =
      "SELECT u.job_id, u.token, r.length FROM unnest($1::bigint[], $2::bigint[])"
      " AS u(job_id, token), LATERAL (SELECT " CLOSEWRITE_CHUNK_END(
          "t") " AS length"
      " FROM closewrite.log_chunks t WHERE t.job_id = u.job_id AND t.token = u.token"
      " ORDER BY t.start DESC LIMIT 1) AS r";
  std::string attempts =
      ForEach("bigint",
              StrCat(PostgresNames(AttemptColumns(), "r."),
                     ", coalesce((SELECT " CLOSEWRITE_CHUNK_END(
                         "l") " FROM closewrite.log_chunks l"
                              " WHERE l.job_id = r.job_id AND l.token = r.token"
                              " ORDER BY l.start DESC LIMIT 1), 0)::bigint"),
              "SELECT a.* FROM closewrite.jobs t JOIN closewrite.attempts a"
              " ON a.job_id = t.id AND a.token = t.token WHERE t.id = u.key AND t.state = 4"
              " OFFSET 0");
  std::string events = ForEach("bigint", PostgresNames(EventColumns(), "r."),
                               "SELECT * FROM closewrite.events t WHERE t.id = u.key OFFSET 0");
  std::string sequences =
      "SELECT sequence FROM closewrite.events WHERE ledger_id = $1::bytea"
      " AND sequence >= $2::bigint AND sequence <= $3::bigint";
  std::string job_ids = "SELECT nextval('closewrite.job_ids') FROM generate_series(1, $1::bigint)";
  std::string event_ids =
      "SELECT nextval('closewrite.event_ids') FROM generate_series(1, $1::bigint)";
};

const Sql& Texts() {
  static const Sql* const sql = new Sql();
  return *sql;
}

void AppendTo(PostgresArray* array, const PostgresHash& value) { array->Hash(value); }
void AppendTo(PostgresArray* array, const std::string& value) { array->Bytes(value); }
void AppendTo(PostgresArray* array, JobId value) { array->Int(value.value); }
void AppendTo(PostgresArray* array, int64_t value) { array->Int(value); }

// Queries with what is to be done with each of their rows.
class Lookups {
 public:
  using Handler = std::function<void(PostgresRow)>;

  void Add(std::string_view sql, PostgresParams params, Handler handler) {
    batch_.push_back({.sql = sql, .params = std::move(params)});
    handlers_.push_back(std::move(handler));
  }
  template <class Value>
  void Add(std::string_view sql, const std::set<Value>& values, Handler handler) {
    if (values.empty()) return;
    PostgresArray array;
    for (const Value& value : values) AppendTo(&array, value);
    Add(sql, PostgresParams().Array(std::move(array)), std::move(handler));
  }
  absl::Status Run(PostgresConnection* connection) {
    if (batch_.empty()) return absl::OkStatus();
    absl::StatusOr<std::vector<PostgresResult>> results = connection->Run(batch_);
    if (!results.ok()) return results.status();
    for (size_t i = 0; i < results->size(); ++i) {
      const PostgresResult& result = (*results)[i];
      for (int row = 0; row < result.rows(); ++row) handlers_[i](PostgresRow(result, row));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<PostgresQuery> batch_;
  std::vector<Handler> handlers_;
};

// Drops from `wanted` what `known` says is known.
template <class Value, class Known>
void Drop(std::set<Value>* wanted, Known known) {
  std::erase_if(*wanted, known);
}

void DropKnown(PostgresWanted* wanted, const PostgresFetchInto& into) {
  const PostgresWorkingSet& set = *into.set;
  Drop(&wanted->requests, [&](const auto& key) { return set.requests.Find(key) != nullptr; });
  Drop(&wanted->sessions, [&](const auto& key) { return set.sessions.Find(key) != nullptr; });
  Drop(&wanted->watchers, [&](const auto& key) { return set.watchers.Find(key) != nullptr; });
  Drop(&wanted->files, [&](const auto& file) { return set.jobs.KnowsUnfinished(file); });
  Drop(&wanted->jobs, [&](JobId id) { return set.jobs.Knows(id); });
  Drop(&wanted->followers, [&](JobId id) { return set.jobs.KnowsFollowers(id); });
  Drop(&wanted->leases, [&](const auto& id) { return set.jobs.KnowsLeases(id); });
  Drop(&wanted->keys, [&](const auto& key) {
    const Job* job = nullptr;
    return set.jobs.FindKey(key, &job) != PostgresJobCache::Key::kUnknown ||
           into.key_owners->contains(key);
  });
  Drop(&wanted->logs, [&](const Lease& lease) { return set.LogLength(lease).has_value(); });
}

// What is not there is known to be not there.
void NoteAbsent(const PostgresWanted& wanted, const PostgresFetchInto& into) {
  PostgresWorkingSet& set = *into.set;
  for (const PostgresHash& key : wanted.requests) set.requests.Load(key, std::nullopt);
  for (const SessionId& id : wanted.sessions) set.sessions.Load(id, std::nullopt);
  for (const std::string& host : wanted.watchers) set.watchers.Load(host, std::nullopt);
  for (const PostgresHash& file : wanted.files) {
    set.files.Load(file, std::nullopt);
    set.jobs.CompleteUnfinished(file);
  }
  for (const JobId id : wanted.followers) set.jobs.CompleteFollowers(id);
  for (const SessionId& id : wanted.leases) set.jobs.CompleteLeases(id);
  for (const PostgresHash& key : wanted.keys) {
    if (!into.key_owners->contains(key)) set.jobs.LoadFreeKey(key);
  }
  for (const Lease& lease : wanted.logs) set.LoadLog(lease, 0);
}

void AddRows(const PostgresWanted& wanted, PostgresWorkingSet* set, absl::Status* status,
             Lookups* lookups) {
  const Sql& sql = Texts();
  lookups->Add(sql.requests, wanted.requests, [set](PostgresRow row) {
    const PostgresHash key = row.Hash();
    PostgresRequest request;
    request.recorded_at = row.Time();
    request.answer = row.Bytes();
    set->requests.Load(key, std::move(request));
  });
  lookups->Add(sql.sessions, wanted.sessions, [set, status](PostgresRow row) {
    SessionRecord session = ReadSession(row, status);
    const SessionId id = session.id;
    set->sessions.Load(id, std::move(session));
  });
  lookups->Add(sql.watchers, wanted.watchers, [set, status](PostgresRow row) {
    Watcher watcher = ReadWatcher(row, status);
    const std::string host = watcher.host;
    set->watchers.Load(host, std::move(watcher));
  });
  lookups->Add(sql.files, wanted.files, [set](PostgresRow row) {
    const PostgresHash file = row.Hash();
    PostgresFile value;
    value.event_id = row.Int();
    value.job_id = row.Int();
    set->files.Load(file, value);
  });
  lookups->Add(sql.events, wanted.events, [set](PostgresRow row) {
    EventRecord record = ReadEvent(row);
    const PostgresHash file = FileOf(record.event.file);
    set->latest_events.try_emplace(file, std::move(record));
  });
}

// In this order: a job that follows another was inserted by somebody who held that one, and whoever
// holds a file's row may have inserted a job of it.
void AddJobs(const PostgresWanted& wanted, PostgresWorkingSet* set, absl::Status* status,
             Lookups* lookups) {
  const Sql& sql = Texts();
  const auto load = [set, status](Place place) {
    return [set, status, place](PostgresRow row) { set->jobs.Load(ReadJob(row, status), place); };
  };
  lookups->Add(sql.unfinished, wanted.files, load(Place::kJobs));
  lookups->Add(sql.jobs, wanted.jobs, load(Place::kJobs));
  lookups->Add(sql.history, wanted.jobs, load(Place::kHistory));
  lookups->Add(sql.leases, wanted.leases, load(Place::kJobs));
  lookups->Add(sql.followers, wanted.followers, load(Place::kJobs));
}

void AddLogs(const PostgresWanted& wanted, PostgresWorkingSet* set, Lookups* lookups) {
  if (wanted.logs.empty()) return;
  PostgresRows leases;
  for (const Lease& lease : wanted.logs) leases.Row().Int(lease.job.value).Int(lease.token.value);
  lookups->Add(Texts().logs, PostgresParams().Rows(std::move(leases)), [set](PostgresRow row) {
    Lease lease;
    lease.job.value = row.Int();
    lease.token.value = row.Int();
    set->LoadLog(lease, row.Int());
  });
}

void AddSequences(const PostgresWanted& wanted, PostgresWorkingSet* set, Lookups* lookups) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  for (const auto& [ledger, first] : wanted.sequences) {
    PostgresWorkingSet::Sequences& known = set->sequences[ledger];
    known.first = first;
    known.last = first > kLast - kSequencesAtOnce ? kLast : first + kSequencesAtOnce - 1;
    lookups->Add(Texts().sequences, PostgresParams().Bytes(ledger).Int(known.first).Int(known.last),
                 [set, ledger = ledger](PostgresRow row) {
                   set->sequences[ledger].present.insert(row.Int());
                 });
  }
}

void AddAttempts(const PostgresWanted& wanted, PostgresWorkingSet* set, Lookups* lookups) {
  lookups->Add(Texts().attempts, wanted.attempts, [set](PostgresRow row) {
    const Attempt attempt = ReadAttempt(row);
    set->LoadAttempt(Lease{attempt.job, attempt.token}, attempt);
  });
}

}  // namespace

absl::Status Fetch(PostgresConnection* connection, const PostgresWanted& all_wanted,
                   const PostgresFetchInto& into) {
  PostgresWanted wanted = all_wanted;
  DropKnown(&wanted, into);
  absl::Status unreadable;
  Lookups lookups;
  AddRows(wanted, into.set, &unreadable, &lookups);
  AddJobs(wanted, into.set, &unreadable, &lookups);
  lookups.Add(Texts().keys, wanted.keys, [&into](PostgresRow row) {
    const PostgresHash key = row.Hash();
    into.key_owners->try_emplace(key, JobId{row.Int()});
  });
  AddLogs(wanted, into.set, &lookups);
  AddAttempts(wanted, into.set, &lookups);
  AddSequences(wanted, into.set, &lookups);
  const auto draw = [&](std::string_view sql, int64_t count, PostgresIds* ids) {
    if (count <= 0) return;
    lookups.Add(sql, PostgresParams().Int(count),
                [&into, ids](PostgresRow row) { ids->Add(row.Int(), into.now); });
  };
  draw(Texts().job_ids, wanted.job_ids, &into.memory->job_ids);
  draw(Texts().event_ids, wanted.event_ids, &into.memory->event_ids);
  if (absl::Status status = lookups.Run(connection); !status.ok()) return status;
  NoteAbsent(wanted, into);

  // A job that was brought back from the history meanwhile was in neither table when it was looked
  // for there.
  Drop(&wanted.jobs, [&](JobId id) { return into.set->jobs.Knows(id); });
  Lookups again;
  again.Add(Texts().jobs, wanted.jobs,
            [&](PostgresRow row) { into.set->jobs.Load(ReadJob(row, &unreadable), Place::kJobs); });
  if (absl::Status status = again.Run(connection); !status.ok()) return status;
  for (const JobId id : wanted.jobs) {
    if (!into.set->jobs.Knows(id)) into.set->jobs.LoadAbsent(id);
  }
  return unreadable;
}

}  // namespace closewrite
