// Which indexes the statements of the SQLite store follow.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"
#include "services/coordinator/store/test_folder.h"

namespace closewrite {
namespace {

std::unique_ptr<SqliteStore> OpenOrDie(const std::string& path) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

constexpr Lease kLease{JobId{1}, FencingToken{1}};

// Runs every method that writes.
absl::Status WriteEverything(SqliteStore* store) {
  return store->Write([&](StoreTransaction& t) {
    Job job = SmallJob("x");
    job.id = t.InsertJob(job);
    job.pid = 1;
    t.UpdateJob(job);
    job.attempts = 1;
    t.UpdateJob(job);
    job.due_at = Second(1);
    t.UpdateJob(job);
    job.key = "y";
    t.UpdateJob(job);
    t.FindJobByKey("y");
    t.FindJobByKey(JobKey("p", job.input));
    t.LastInLine("p", "in", "x");
    t.Claim({{"p", 1}});
    t.NextDue(Second(1), 1);
    t.EarliestDue();
    t.Followers(job.id);
    t.PutAttempt(FullAttempt(kLease.job, kLease.token.value));
    t.AppendLog(kLease, 0, "log");
    t.EraseLogRows(kLease, 0, 1, 1);
    t.ReplaceLogRows(kLease, LogRow{.bytes = 3, .format = LogFormat::kLeftOut, .data = ""});
    t.MeasureLog(kLease);
    t.OpenLog(kLease);
    t.OpenLogs(Lease{}, 10);
    t.ClosedLogs(Second(1), 10);
    t.SaveLog(KeptLog{.lease = kLease}, KeptLog{.lease = kLease, .rows = 1});
    t.DropLog(KeptLog{.lease = kLease, .rows = 1});
    t.InsertEvent(EventOfPath(1, "v", "f"));
    t.InsertEvent(EventOfPath(1, "v", "g"));  // is there: the file's row goes again
    Job old = SmallJob("old", JobState::kSucceeded);
    old.finished_at = absl::UnixEpoch();
    t.InsertJob(old);
    t.PutPipeline({});
    t.DeletePipeline("");
    t.PutTask({.name = "t"});
    t.DueTasks(Second(1), 1);
    t.EarliestTaskDue();
    t.DeleteTask("t");
    t.FindRequest("r");
    t.RecordRequest("r", "", Second(1));
    t.ForgetRequests(Second(1));
    t.PutSession({.id = "s"});
    t.FindSession("s");
    t.ExpiredSessions(Second(1), 10);
    t.EraseSession("s");
    t.PutWatcher({.host = "h"});
    t.FindWatcher("h");
    t.PutClaim({.lock = "l", .holder = "h"});
    t.EraseClaim("l", "h");
    t.EraseClaimsOf("h");
    t.TakeTurn("duty", Second(1), absl::Seconds(1));
    t.Prune(Second(1), 10);
    t.AppendPoints(1, "p");
    t.ErasePoints({1});
    t.PutIncrement({.job = "j"});
    t.AppendLoad({.job = "j"});
    t.PruneLoads(Second(1), 10);
    t.PutExecution({.id = "e"});
    t.PruneExecutions(Second(1), 10);
    t.PutNote("k", {"n", ""});
    t.EraseNote("k", "n");
    t.AppendAudit({.at = Second(1)});
    t.PruneAudit(Second(1), 10);
    return absl::OkStatus();
  });
}

// Runs every method that reads.
absl::Status ReadEverything(SqliteStore* store) {
  std::vector<JobFilter> filters(7);
  for (int state = 1; state <= 8; ++state) filters[1].states.push_back(JobState{state});
  filters[5].states = filters[1].states;
  filters[5].pipeline = "p";
  filters[2].ids = {JobId{1}};
  filters[3].input_volume = "v";
  filters[3].input_path = "f";
  filters[4].output_volume = "out";
  filters[6].pipeline = "task/t";
  return store->Read([&](StoreReader& r) {
    for (const JobFilter& filter : filters) r.ListJobs(filter, JobId{}, 1);
    r.CountUnfinished("p");
    r.CountAvailableBefore(SmallJob("x"), 10);
    r.LeasesOf("s");
    r.LogLength(kLease);
    r.PipelinesVersion();
    r.ListSessions();
    r.ListWatchers();
    r.ListClaims();
    r.ListAttempts(kLease.job);
    r.GetAttempt(kLease);
    r.ReadLog(kLease, 0, 10);
    r.ReadLogBefore(kLease, 10, 10);
    r.GetLogTotals();
    r.ListPipelines();
    r.ListTasks("", 1);
    r.GetTask("t");
    r.CountTasks();
    r.CountJobs(10);
    r.AvailablePipelines("p", 1);
    r.ListEvents("", "", 0, 10);
    r.ListEvents("v", "f", 0, 10);
    r.JobsOfEvent(1);
    r.LatestEvent("v", "f");
    r.ReadPoints(10);
    r.GetPointRange();
    r.FindIncrement({.job = "j"});
    r.ListIncrements("", {}, 10);
    r.ListIncrements("j", {}, 10);
    for (const char* job : {"", "j"}) {
      r.ListLoads({.job = job}, {}, 10);
      r.ListLoads({.job = job, .datasource = "d"}, {}, 10);
      r.ListExecutions({.job = job}, {}, 10);
    }
    r.FindExecution("e");
    r.ListFinished(Second(1), {}, 10);
    r.ListFailed("p", Second(1), 10);
    r.OldestAvailable("p");
    r.ListNotes("k", "", 10);
    r.FindNote("k", "n");
    r.CountNotes("k", 10);
    r.ListAudit({.who = "a", .service = "S", .method = "M"}, {}, 10);
    return absl::OkStatus();
  });
}

TEST(SqliteQueriesTest, EveryStatementFollowsAnIndex) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  // So every statement is prepared.
  absl::Status status = WriteEverything(store.get());
  status.Update(ReadEverything(store.get()));
  ASSERT_TRUE(status.ok()) << status;
  absl::StatusOr<std::unique_ptr<SqliteConnection>> explainer =
      SqliteConnection::Open(folder.file());
  ASSERT_TRUE(explainer.ok());
  int explained = 0;
  for (const std::string& sql : store->PreparedSql()) {
    if (sql == "COMMIT" || sql == "ROLLBACK" || absl::StartsWith(sql, "BEGIN")) continue;
    // The pipelines are few, and all are wanted. The earliest due job is the first entry of an
    // index, which SQLite calls a scan. So are all sessions, watchers and locks.
    if (absl::StrContains(sql, "FROM pipelines ORDER BY name")) continue;
    if (absl::StrContains(sql, "count(*) FROM tasks")) continue;
    // Counts all that is waiting, for people.
    if (absl::StrContains(sql, "GROUP BY pipeline")) continue;
    if (absl::StrContains(sql, " FROM sessions ") && !absl::StrContains(sql, "id = ?")) continue;
    if (absl::StrContains(sql, " FROM watchers ORDER BY host")) continue;
    if (absl::StrContains(sql, "FROM lock_claims ORDER BY")) continue;
    if (absl::StrContains(sql, "log_totals")) continue;       // one row
    if (absl::StrContains(sql, "sqlite_sequence")) continue;  // as many as there are tables
    if (absl::StrContains(sql, "SELECT due_at")) continue;
    const absl::StatusOr<std::vector<std::string>> plan = (*explainer)->QueryPlan(sql);
    ASSERT_TRUE(plan.ok()) << plan.status();
    // The available and the running jobs: all entries of an index of theirs, then some rows.
    const bool of_index = absl::StrContains(sql, "FROM (SELECT j.id FROM jobs AS j INDEXED BY");
    for (const std::string& step : *plan) {
      if (step == "SCAN (subquery-1)") continue;  // counts what the index gave
      if (of_index && (step == "SCAN i" || step == "USE TEMP B-TREE FOR ORDER BY" ||
                       step == "SCAN j USING INDEX jobs_available" ||
                       step == "SCAN j USING INDEX jobs_by_session")) {
        continue;
      }
      EXPECT_FALSE(absl::StrContains(step, "SCAN")) << sql << "\n" << step;
      EXPECT_FALSE(absl::StrContains(step, "TEMP B-TREE")) << sql << "\n" << step;
      EXPECT_FALSE(absl::StrContains(step, "AUTOMATIC")) << sql << "\n" << step;
    }
    ++explained;
  }
  EXPECT_GE(explained, 81);
}

// The index that each of the hottest queries is meant for.
TEST(SqliteQueriesTest, HotQueriesFollowTheirOwnIndex) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(WriteEverything(store.get()).ok());
  ASSERT_TRUE(ReadEverything(store.get()).ok());
  absl::StatusOr<std::unique_ptr<SqliteConnection>> explainer =
      SqliteConnection::Open(folder.file());
  ASSERT_TRUE(explainer.ok());
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"WHERE j.state = 2 AND j.pipeline = ? ORDER BY", "jobs_available (pipeline=?)"},
      {"WHERE j.state = 3 AND j.session = ?", "jobs_by_session (session=?)"},
      {"AND j.after_id = 0 AND j.due_at <= ?", "jobs_due (due_at<?)"},
      {"SELECT due_at FROM jobs", "jobs_due"},
      {"SELECT due_at FROM tasks", "tasks_due"},
      {"FROM tasks WHERE due_at <= ?", "tasks_due (due_at<?)"},
      {"SELECT pipeline FROM jobs INDEXED BY jobs_available", "jobs_available (pipeline>?)"},
      {"j.key_kind = 2 AND j.key = ?", "jobs_by_key (key=?)"},
      {"j.file_id = ?1 AND j.input_mtime_ns = ?2",
       "jobs_by_version (file_id=? AND input_mtime_ns=?)"},
      {"WHERE j.after_id = ?", "jobs_after (after_id=?)"},
      {"FROM jobs WHERE event_id = ?", "jobs_by_event (event_id=?)"},
      {"WHERE j.finished = 0 AND j.pipeline = ?", "jobs_unfinished (pipeline=? AND file_id=?)"},
      {"count(*) FROM jobs INDEXED BY jobs_unfinished", "jobs_unfinished (pipeline=?)"},
      {"AND j.state = 4 AND j.id < ?1", "jobs_by_state (state=? AND rowid<?)"},
      {"WHERE j.file_id = ?7", "jobs_by_file (file_id=? AND rowid<?)"},
      {"FROM files WHERE volume = ? AND path",
       "COVERING INDEX files_by_path (volume=? AND path=?)"},
      {"WHERE e.file_id = ? ORDER BY", "events_by_file (file_id=?)"},
      {"UPDATE jobs", "INTEGER PRIMARY KEY (rowid=?)"},
      {"FROM jobs AS j INDEXED BY jobs_finished",
       "jobs_finished (finished_at>? AND finished_at<?)"},
      {"FROM events AS e INDEXED BY events_by_receipt",
       "events_by_receipt (received_at>? AND received_at<?)"},
      {"offset <= ?", "COVERING INDEX log_chunks_by_place (job_id=? AND token=? AND offset<?)"},
      {"FROM logs AS l INDEXED BY logs_open", "logs_open ((job_id,token)>(?,?))"},
      {"FROM logs AS l INDEXED BY logs_closed", "logs_closed (closed_at<?)"},
      {"count, line FROM points WHERE id > 0", "INTEGER PRIMARY KEY (rowid>?)"},
      {"id - count + 1 FROM points", "INTEGER PRIMARY KEY (rowid>?)"},
      {"SELECT max(id) FROM points", "SEARCH points"},
      {"DELETE FROM points", "INTEGER PRIMARY KEY (rowid=?)"},
      {"WHERE job = ? AND type = ? AND datasource = ?",
       "PRIMARY KEY (job=? AND type=? AND datasource=?)"},
      {"WHERE (job, type, datasource) > (?, ?, ?)", "PRIMARY KEY ((job,type,datasource)>(?,?,?))"},
      {"WHERE job = ? AND (type, datasource) > (?, ?)",
       "PRIMARY KEY (job=? AND (type,datasource)>(?,?))"},
      {"loads INDEXED BY loads_by_time WHERE logged_at >=",
       "loads_by_time (logged_at>? AND logged_at<?)"},
      {"INDEXED BY loads_by_job", "loads_by_job (job=? AND logged_at>? AND logged_at<?)"},
      {"INDEXED BY loads_by_datasource",
       "loads_by_datasource (datasource=? AND logged_at>? AND logged_at<?)"},
      {"FROM executions WHERE id = ?", "PRIMARY KEY (id=?)"},
      {"INDEXED BY executions_by_start",
       "executions_by_start (started_at>? AND (started_at,id)<(?,?))"},
      {"INDEXED BY executions_by_job",
       "executions_by_job (job=? AND started_at>? AND (started_at,id)<(?,?))"},
      {"INDEXED BY jobs_failed", "jobs_failed (pipeline=? AND finished_at>?)"},
      {"SELECT rank, id FROM jobs INDEXED BY jobs_available",
       "jobs_available (pipeline=? AND rank>?)"},
      {"FROM notes WHERE kind = ? AND key > ?", "PRIMARY KEY (kind=? AND key>?)"},
      {"FROM notes WHERE kind = ? AND key = ?", "PRIMARY KEY (kind=? AND key=?)"},
      {"audit INDEXED BY audit_by_time WHERE made_at >=",
       "audit_by_time (made_at>? AND made_at<?)"},
      {"WHERE recorded_at < ?", "requests_by_time (recorded_at<?)"},
  };
  for (const auto& [words, index] : expected) {
    int found = 0;
    for (const std::string& sql : store->PreparedSql()) {
      if (!absl::StrContains(sql, words)) continue;
      const absl::StatusOr<std::vector<std::string>> plan = (*explainer)->QueryPlan(sql);
      ASSERT_TRUE(plan.ok()) << plan.status();
      ASSERT_FALSE(plan->empty()) << sql;
      EXPECT_TRUE(absl::StrContains(plan->front(), index)) << sql << "\n" << plan->front();
      ++found;
    }
    EXPECT_GE(found, 1) << words;
  }
}

}  // namespace
}  // namespace closewrite
