// Stores of older versions go on as they were.
#include "services/coordinator/store/sqlite_schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"
#include "services/coordinator/store/test_folder.h"

namespace closewrite {
namespace {

std::string Blob(const std::string& bytes) {
  return absl::StrCat("x'", absl::BytesToHexString(bytes), "'");
}

int64_t Nanos(absl::Time time) { return absl::ToUnixNanos(time); }

// Jobs and events as versions 1 and 2 had them; version 2 tells which job caused them.
std::string InsertSql(const Job& job, int version) {
  return absl::StrCat(
      "INSERT INTO jobs VALUES (", job.id.value, ",", Blob(job.pipeline), ",", Blob(job.key), ",",
      Blob(job.input.volume), ",", Blob(job.input.path), ",", job.event_id, ",",
      IsFinal(job.state) ? 1 : 0, ",", static_cast<int64_t>(job.input.inode), ",", job.input.size,
      ",", job.input.mtime_ns, ",", Blob(job.output_volume), ",", static_cast<int>(job.state), ",",
      Blob(EncodeOutputs(job.outputs)), ",", job.attempts, ",", job.attempts_base, ",", job.crashes,
      ",", job.token.value, ",", Blob(job.session), ",", Blob(job.executor), ",", Blob(job.host),
      ",", EncodeExitCode(job.exit_code), ",", Blob(job.message), ",", job.after.value, ",",
      Nanos(job.created_at), ",", Nanos(job.due_at), ",", Nanos(job.leased_at), ",",
      Nanos(job.started_at), ",", Nanos(job.finished_at), ",", Nanos(job.observed_at),
      version == 1 ? "" : absl::StrCat(",", job.caused_by_job), ");");
}

std::string InsertSql(const EventRecord& record, int version) {
  const FileEvent& event = record.event;
  return absl::StrCat(
      "INSERT INTO events VALUES (", record.id, ",", Blob(record.host), ",", Blob(record.ledger_id),
      ",", event.sequence, ",", static_cast<int>(event.kind), ",", static_cast<int>(event.evidence),
      ",", static_cast<int>(event.source), ",", Blob(event.file.volume), ",", Blob(event.file.path),
      ",", static_cast<int64_t>(event.file.inode), ",", event.file.size, ",", event.file.mtime_ns,
      ",", Nanos(event.observed_at), ",", Nanos(record.received_at),
      version == 1 ? "" : absl::StrCat(",", event.caused_by_job), ");");
}

std::string InsertAttemptSql(const Job& job, int64_t token, int pid, Outcome outcome) {
  return absl::StrCat("INSERT INTO attempts VALUES (", job.id.value, ",", token, ",1,x'',x'',", pid,
                      ",", static_cast<int>(outcome), ",0,0,x'',0,0,0,0,0,0);");
}

// A job of version 1 or 2: no priority, and all times are set.
Job OldJob(int64_t id, JobState state, int version) {
  Job job = FullJob("");
  job.id = JobId{id};
  job.state = state;
  job.input.path = absl::StrCat("in/", id);
  job.key = JobKey(job.pipeline, job.input);
  job.event_id = id + 100;
  job.after = JobId{};
  job.priority = 0;
  job.pid = 0;
  job.cancelling = false;
  if (version == 1) job.caused_by_job = 0;
  for (absl::Time* time : {&job.created_at, &job.due_at, &job.leased_at, &job.started_at,
                           &job.finished_at, &job.observed_at}) {
    *time = Second(1000 + id);
  }
  if (state != JobState::kRunning) job.session = "";
  return job;
}

EventRecord EventOf(const Job& job, int version) {
  EventRecord record = FullEvent("ledger", job.id.value);
  record.id = job.event_id;
  record.event.file = job.input;
  record.received_at = Second(1);
  if (version == 1) record.event.caused_by_job = 0;
  return record;
}

class OldStore : public testing::TestWithParam<int> {
 protected:
  // The version that the rows were written by; later ones have taken them over since.
  const int rows_version_ = std::min(GetParam(), 2);

  // Makes a file of the version, in which the newest job and event were deleted again.
  void Make(const std::vector<Job>& jobs, const std::vector<EventRecord>& events,
            const std::string& more) {
    std::string sql;
    for (int step = 0; step < rows_version_; ++step) sql += SqliteSchemaStep(step);
    for (const Job& job : jobs) sql += InsertSql(job, rows_version_);
    for (const EventRecord& event : events) sql += InsertSql(event, rows_version_);
    sql += InsertSql(OldJob(1000, JobState::kFailed, rows_version_), rows_version_);
    sql += InsertSql(EventOf(OldJob(1900, JobState::kFailed, rows_version_), rows_version_),
                     rows_version_);
    sql += "DELETE FROM jobs WHERE id = 1000; DELETE FROM events WHERE id = 2000;";
    sql += more;
    for (int step = rows_version_; step < GetParam(); ++step) sql += SqliteSchemaStep(step);
    sql += absl::StrCat("PRAGMA application_id = ", kSqliteApplicationId,
                        "; PRAGMA user_version = ", GetParam());
    absl::StatusOr<std::unique_ptr<SqliteConnection>> old = SqliteConnection::Open(folder_.file());
    ASSERT_TRUE(old.ok()) << old.status();
    const absl::Status made = (*old)->Execute(sql);
    ASSERT_TRUE(made.ok()) << made;
  }
  std::unique_ptr<SqliteStore> Open() {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(folder_.file());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  TestFolder folder_;
};

TEST_P(OldStore, KeepsWhatItHas) {
  std::vector<Job> jobs = {
      OldJob(1, JobState::kSucceeded, rows_version_), OldJob(2, JobState::kRunning, rows_version_),
      OldJob(3, JobState::kAvailable, rows_version_), OldJob(4, JobState::kRetrying, rows_version_),
      OldJob(5, JobState::kRunning, rows_version_)};
  jobs[4].key = "a key of another kind";
  std::vector<EventRecord> events;
  for (const Job& job : jobs) events.push_back(EventOf(job, rows_version_));
  events.pop_back();  // a job whose event is forgotten
  // Of the running jobs one has told its command's pid.
  Make(jobs, events,
       absl::StrCat(InsertAttemptSql(jobs[0], 1, 4711, Outcome::kSucceeded),
                    InsertAttemptSql(jobs[1], jobs[1].token.value, 4712, Outcome::kNone)));
  jobs[1].pid = 4712;
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    for (const Job& job : jobs) {
      EXPECT_EQ(t.GetJob(job.id), job);
      EXPECT_EQ(t.FindJobByKey(job.key), job);
      EXPECT_EQ(t.JobsOfEvent(job.event_id), std::vector<JobId>{job.id});
    }
    for (const EventRecord& event : events) {
      EXPECT_EQ(t.LatestEvent(event.event.file.volume, event.event.file.path), event);
    }
    EXPECT_EQ(t.ListJobs({}, JobId{}, 100).size(), jobs.size());
    EXPECT_EQ(t.ListEvents("", "", 0, 100).size(), events.size());
    EXPECT_EQ(t.Claim({{jobs[2].pipeline, 10}}), std::vector<Job>{jobs[2]});
    EXPECT_EQ(t.NextDue(Second(5000), 10), std::vector<Job>{jobs[3]});
    EXPECT_EQ(t.LeasesOf(jobs[1].session), (std::vector<Job>{jobs[1], jobs[4]}));
    EXPECT_EQ(t.CountUnfinished(jobs[0].pipeline), 4);
    EXPECT_EQ(t.ListAttempts(jobs[0].id).size(), 1u);
    EXPECT_TRUE(t.ListAttempts(jobs[1].id).empty());  // attempts that have ended
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(OldStore, IsWrittenToAsANewOne) {
  Job job = OldJob(1, JobState::kAvailable, rows_version_);
  const EventRecord event = EventOf(job, rows_version_);
  Make({job}, {event}, "");
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  absl::Status status = store->Write([&](StoreTransaction& t) {
    // What was deleted last had these ids.
    EXPECT_GT(t.InsertJob(SmallJob("new")), JobId{1000});
    EXPECT_GT(t.InsertEvent(EventOfPath(77, "v", "f")), 2000);
    EXPECT_EQ(t.InsertEvent(event), 0);
    job.state = JobState::kSucceeded;
    t.UpdateJob(job);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  // An old key counts, though the row does not follow from it any more.
  status = store->Write([&](StoreTransaction& t) {
    t.InsertJob(job);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  store = nullptr;
  store = Open();
  status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.GetJob(job.id), job);
    job.exit_code = 3;
    job.priority = 7;  // an update of all that is kept
    t.UpdateJob(job);
    EXPECT_EQ(t.FindJobByKey(job.key), job);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// Logs were bytes without records.
TEST_P(OldStore, LogsGoOn) {
  const Job job = OldJob(1, JobState::kRunning, rows_version_);
  const Lease lease{job.id, job.token};
  const auto chunk = [&](int64_t offset, const std::string& bytes) {
    return absl::StrCat("INSERT INTO log_chunks(job_id, token, offset, data) VALUES (1, ",
                        job.token.value, ", ", offset, ", ", Blob(bytes), ");");
  };
  Make({job}, {EventOf(job, rows_version_)},
       absl::StrCat(chunk(0, "one\n"), chunk(4, "two\n"), chunk(8, AllBytes())));
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const int64_t length = 8 + static_cast<int64_t>(AllBytes().size());
  std::string record;
  AppendLogRecord(1, LogStream::kStderr, "new\n", &record);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LogLength(lease), length);
    EXPECT_EQ(t.AppendLog(lease, length, record), length + 20);
    std::string text;
    const LogPiece piece = ReadLogPiece(t, lease, 0, 1000);
    for (const LogPart& part : piece.parts) text += part.bytes;
    EXPECT_EQ(text, absl::StrCat("one\ntwo\n", AllBytes(), "new\n"));
    EXPECT_EQ(piece.parts.front().time_us, 0);
    EXPECT_EQ(piece.parts.back().stream, LogStream::kStderr);
    EXPECT_EQ(ReadLogPieceBefore(t, lease, 8, 1).parts.front().bytes, "two\n");
    const std::vector<OpenedLog> open = t.OpenLogs(Lease{}, 10);
    EXPECT_EQ(open.size(), 1u);
    if (!open.empty()) {
      EXPECT_EQ(open.front().log.lease, lease);
    }
    EXPECT_EQ(t.MeasureLog(lease).stored_bytes, length + 20);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// There was nothing of it.
TEST_P(OldStore, MonitoringBegins) {
  const Job job = OldJob(1, JobState::kRunning, rows_version_);
  Make({job}, {EventOf(job, rows_version_)}, "");
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const Increment increment{.job = "j", .type = "t", .datasource = "d", .value = 7};
  const Execution execution{.id = "e", .job = "j", .started_at = Second(5)};
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.GetPointRange(), PointRange());
    EXPECT_TRUE(t.ListIncrements("", {}, 10).empty());
    EXPECT_TRUE(t.ListLoads({}, {}, 10).empty());
    EXPECT_TRUE(t.ListExecutions({}, {}, 10).empty());
    t.AppendPoints(1, "line");
    t.PutIncrement(increment);
    t.AppendLoad({.execution = "e", .job = "j", .at = Second(6)});
    t.PutExecution(execution);
    EXPECT_EQ(t.GetPointRange(), (PointRange{1, 1}));
    EXPECT_EQ(t.FindIncrement(increment.key()), increment);
    EXPECT_EQ(t.ListLoads({}, {}, 10).size(), 1u);
    EXPECT_EQ(t.FindExecution("e"), execution);
    EXPECT_EQ(t.GetJob(job.id), job);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// There were none, and no list of what has failed.
// By jobs alone, one each.
TEST_P(OldStore, LocksAreHeldOn) {
  constexpr int kLocksBegin = 3;
  if (GetParam() < kLocksBegin) GTEST_SKIP() << "it kept none";
  constexpr int kClaimsBegin = 10;
  if (GetParam() >= kClaimsBegin) GTEST_SKIP() << "it has claims of locks already";
  Make({}, {}, "");
  const absl::StatusOr<std::unique_ptr<SqliteConnection>> old =
      SqliteConnection::Open(folder_.file());
  ASSERT_TRUE(old.ok()) << old.status();
  ASSERT_TRUE((*old)->Execute("INSERT INTO locks VALUES (x'61', 41, x'62', 5)").ok());
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Read([&](StoreReader& r) {
    const std::vector<LockClaim> claims = r.ListClaims();
    EXPECT_EQ(claims.size(), 1u);
    if (claims.empty()) return absl::OkStatus();
    EXPECT_EQ(claims[0].lock, "a");
    EXPECT_EQ(claims[0].holder, HolderOf(JobId{41}));
    EXPECT_EQ(claims[0].job, JobId{41});
    EXPECT_EQ(claims[0].host, "b");
    EXPECT_TRUE(claims[0].held());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// Each was a row.
TEST_P(OldStore, PointsWaitOn) {
  constexpr int kPointsBegin = 7;
  if (GetParam() < kPointsBegin) GTEST_SKIP() << "it had no points";
  Make({}, {}, "");
  const absl::StatusOr<std::unique_ptr<SqliteConnection>> old =
      SqliteConnection::Open(folder_.file());
  ASSERT_TRUE(old.ok()) << old.status();
  ASSERT_TRUE((*old)->Execute("INSERT INTO points(line) VALUES (x'61'), (x'62')").ok());
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    t.AppendPoints(2, "c\nd");
    EXPECT_EQ(t.ReadPoints(10),
              (std::vector<PointBatch>{{1, 1, "a"}, {2, 1, "b"}, {4, 2, "c\nd"}}));
    EXPECT_EQ(t.GetPointRange(), (PointRange{1, 4}));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// There was nothing of it.
TEST_P(OldStore, AuditBegins) {
  Make({OldJob(1, JobState::kAvailable, rows_version_)}, {}, "");
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  AuditEntry entry{.at = Second(5), .role = "admin", .service = "S", .method = "M"};
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.ListAudit({}, {}, 10).empty());
    t.AppendAudit(entry);
    entry.id = 1;
    EXPECT_EQ(t.ListAudit({}, {}, 10), std::vector<AuditEntry>{entry});
    EXPECT_TRUE(t.GetJob(JobId{1}).has_value());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(OldStore, NotesBegin) {
  const std::vector<Job> jobs = {
      OldJob(1, JobState::kFailed, rows_version_), OldJob(2, JobState::kSucceeded, rows_version_),
      OldJob(3, JobState::kFailed, rows_version_), OldJob(4, JobState::kAvailable, rows_version_)};
  Make(jobs, {}, "");
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.CountNotes("k", 10), 0);
    t.PutNote("k", {"n", "value"});
    EXPECT_EQ(t.FindNote("k", "n"), "value");
    EXPECT_EQ(t.ListFailed(jobs[0].pipeline, Second(0), 10), (std::vector<Job>{jobs[2], jobs[0]}));
    EXPECT_EQ(t.ListFinished(Second(0), {}, 10), (std::vector<Job>{jobs[2], jobs[1], jobs[0]}));
    EXPECT_EQ(t.OldestAvailable(jobs[3].pipeline), jobs[3]);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(OldStore, OfNothingOpens) {
  Make({}, {}, "");
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_NE(store, nullptr);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_GT(t.InsertJob(SmallJob("new")), JobId{1000});
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

INSTANTIATE_TEST_SUITE_P(Versions, OldStore, testing::Range(1, kSqliteSchemaVersion));

}  // namespace
}  // namespace closewrite
