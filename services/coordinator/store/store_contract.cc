#include "services/coordinator/store/store_contract.h"

#include <thread>  // NOLINT: a second caller
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/coordinator/core/log_pieces.h"

namespace closewrite {

std::string StoreCaseName(const testing::TestParamInfo<StoreCase>& info) { return info.param.name; }

void StoreContract::SetUp() {
  under_test_ = GetParam().make();
  ASSERT_NE(under_test_, nullptr);
  ASSERT_NE(store(), nullptr);
}

void StoreContract::Write(absl::FunctionRef<void(StoreTransaction&)> fn) {
  const absl::Status status = store()->Write([&](StoreTransaction& transaction) {
    fn(transaction);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

void StoreContract::Read(absl::FunctionRef<void(StoreReader&)> fn) {
  const absl::Status status = store()->Read([&](StoreReader& reader) {
    fn(reader);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

absl::Status StoreContract::FailWrite(absl::FunctionRef<void(StoreTransaction&)> fn) {
  const absl::Status status = store()->Write([&](StoreTransaction& transaction) {
    fn(transaction);
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
  return status;
}

JobId StoreContract::Insert(const Job& job) {
  JobId id;
  Write([&](StoreTransaction& transaction) { id = transaction.InsertJob(job); });
  EXPECT_NE(id, JobId{});
  return id;
}

std::optional<Job> StoreContract::Get(JobId id) {
  std::optional<Job> job;
  Read([&](StoreReader& reader) { job = reader.GetJob(id); });
  return job;
}

std::string LogText(StoreReader& reader, const Lease& lease) {
  std::string text;
  int64_t offset = 0;
  for (;;) {
    const LogPiece piece = ReadLogPiece(reader, lease, offset, kLogRowBytesMax);
    if (piece.end == offset) return text;
    for (const LogPart& part : piece.parts) text += part.bytes;
    offset = piece.end;
  }
}

namespace {

TEST_P(StoreContract, SaysHowDurableItIs) { EXPECT_NE(store()->Durability(), ""); }

TEST_P(StoreContract, EmptyStoreGivesNothing) {
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.GetJob(JobId{1}), std::nullopt);
    EXPECT_TRUE(t.ListJobs({}, JobId{}, 10).empty());
    EXPECT_EQ(t.CountUnfinished("p"), 0);
    EXPECT_EQ(t.CountAvailableBefore(SmallJob("x"), 10), 0);
    EXPECT_TRUE(t.LeasesOf("s").empty());
    EXPECT_TRUE(t.ListAttempts(JobId{1}).empty());
    EXPECT_EQ(t.GetAttempt(Lease{JobId{1}, FencingToken{1}}), std::nullopt);
    EXPECT_EQ(t.LogLength(Lease{JobId{1}, FencingToken{1}}), 0);
    EXPECT_TRUE(t.ReadLog(Lease{JobId{1}, FencingToken{1}}, 0, 10).empty());
    EXPECT_TRUE(t.ReadLogBefore(Lease{JobId{1}, FencingToken{1}}, 10, 10).empty());
    EXPECT_TRUE(t.OpenLogs(Lease{}, 10).empty());
    EXPECT_EQ(t.GetLogTotals(), LogTotals());
    EXPECT_TRUE(t.ListPipelines().empty());
    EXPECT_TRUE(t.ListEvents("", "", 0, 10).empty());
    EXPECT_TRUE(t.JobsOfEvent(1).empty());
    EXPECT_EQ(t.LatestEvent("v", "p"), std::nullopt);
    EXPECT_EQ(t.FindJobByKey("k"), std::nullopt);
    EXPECT_EQ(t.LastInLine("p", "v", "f"), std::nullopt);
    EXPECT_TRUE(t.Claim({{"p", 10}}).empty());
    EXPECT_TRUE(t.NextDue(absl::InfiniteFuture(), 10).empty());
    EXPECT_EQ(t.EarliestDue(), absl::InfiniteFuture());
    EXPECT_TRUE(t.Followers(JobId{1}).empty());
    EXPECT_EQ(t.FindRequest("r"), std::nullopt);
    EXPECT_TRUE(t.ListSessions().empty());
    EXPECT_EQ(t.FindSession("s"), std::nullopt);
    EXPECT_TRUE(t.ExpiredSessions(absl::InfiniteFuture(), 10).empty());
    EXPECT_TRUE(t.ListWatchers().empty());
    EXPECT_EQ(t.FindWatcher("h"), std::nullopt);
    EXPECT_TRUE(t.ListClaims().empty());
    EXPECT_TRUE(t.ReadPoints(10).empty());
    EXPECT_EQ(t.GetPointRange(), PointRange());
    EXPECT_EQ(t.FindIncrement({.job = "j"}), std::nullopt);
    EXPECT_TRUE(t.ListIncrements("", {}, 10).empty());
    EXPECT_TRUE(t.ListLoads({}, {}, 10).empty());
    EXPECT_EQ(t.FindExecution("e"), std::nullopt);
    EXPECT_TRUE(t.ListExecutions({}, {}, 10).empty());
    EXPECT_TRUE(t.ListFinished(absl::InfinitePast(), {}, 10).empty());
    EXPECT_TRUE(t.ListFailed("p", absl::InfinitePast(), 10).empty());
    EXPECT_EQ(t.OldestAvailable("p"), std::nullopt);
    EXPECT_TRUE(t.ListNotes("k", "", 10).empty());
    EXPECT_EQ(t.FindNote("k", "n"), std::nullopt);
    EXPECT_EQ(t.CountNotes("k", 10), 0);
    EXPECT_EQ(t.ErasePoints({1}), 0);
    EXPECT_EQ(t.PruneLoads(absl::InfiniteFuture(), 10), 0);
    EXPECT_EQ(t.PruneExecutions(absl::InfiniteFuture(), 10), 0);
    EXPECT_EQ(t.Prune(absl::InfiniteFuture(), 10), 0);
  });
}

TEST_P(StoreContract, ClockIsTheCallersUnlessTheStoreIsShared) {
  const absl::Time local = Second(12345);
  Write([&](StoreTransaction& t) {
    if (!store()->shared()) {
      EXPECT_EQ(t.Now(local), local);
    }
    EXPECT_NE(t.Now(local), absl::InfinitePast());
    EXPECT_NE(t.Now(local), absl::InfiniteFuture());
  });
}

TEST_P(StoreContract, WhatIsExpectedNeedNotBeThere) {
  Expected expected;
  expected.jobs = {JobId{1}, JobId{0}};
  expected.logs = {Lease{JobId{1}, FencingToken{1}}};
  expected.paths = {{"v", "f"}, {AllBytes(), AllBytes()}};
  expected.keys = {"k", ""};
  expected.requests = {AllBytes()};
  expected.sessions = {"s"};
  Write([&](StoreTransaction& t) {
    t.Expect({});
    t.Expect(expected);
    EXPECT_EQ(t.FindJobByKey("k"), std::nullopt);
    const JobId id = t.InsertJob(SmallJob("k"));
    EXPECT_EQ(t.FindJobByKey("k")->id, id);
    t.PutSession(FullSession("s"));
    EXPECT_EQ(t.FindSession("s"), FullSession("s"));
    t.Expect(expected);
    EXPECT_EQ(t.FindJobByKey("k")->id, id);
  });
}

TEST_P(StoreContract, ErrorOfTheFunctionIsReturnedAsItIs) {
  const absl::Status error = absl::PermissionDeniedError("not you");
  EXPECT_EQ(store()->Write([&](StoreTransaction&) { return error; }), error);
  EXPECT_EQ(store()->Read([&](StoreReader&) { return error; }), error);
}

// Writes one row of everything.
void WriteOfEach(StoreTransaction& t, const std::string& name) {
  Job job = SmallJob(name);
  job.event_id = 7;
  job.id = t.InsertJob(job);
  job.message = "updated";
  t.UpdateJob(job);
  t.PutAttempt(FullAttempt(job.id, 1));
  t.AppendLog(Lease{job.id, FencingToken{1}}, 0, "log");
  t.InsertEvent(EventOfPath(1, "v", name));
  t.PutPipeline({name, 1, Second(1), "definition"});
  t.RecordRequest(name, "answer", Second(1));
  t.PutSession(FullSession(name));
  t.PutWatcher(FullWatcher(name));
  t.PutClaim({.lock = name,
              .holder = HolderOf(job.id),
              .job = job.id,
              .host = "host",
              .held_since = Second(1),
              .token = 1});
  t.AppendPoints(1, name);
  t.PutIncrement({.job = name});
  t.AppendLoad({.job = name});
  t.PutExecution({.id = name});
  t.PutNote("kind", {name, "value"});
}

// Of what WriteOfEach writes, with one call of it.
constexpr int64_t kOfEach = 28;

// How many rows there are of all kinds that WriteOfEach writes.
int64_t CountOfEach(StoreTransaction& t, const std::string& name) {
  const std::optional<Job> job = t.FindJobByKey(name);
  int64_t count =
      t.ListJobs({}, JobId{}, 100).size() + t.CountUnfinished("p") + t.Claim({{"p", 100}}).size() +
      t.JobsOfEvent(7).size() + t.ListEvents("", "", 0, 100).size() + t.ListPipelines().size() +
      t.ListSessions().size() + t.ListWatchers().size() + t.ListClaims().size() +
      (t.LatestEvent("v", name).has_value() ? 1 : 0) + (t.FindSession(name).has_value() ? 1 : 0) +
      (t.FindWatcher(name).has_value() ? 1 : 0) + (t.FindRequest(name).has_value() ? 1 : 0) +
      (job.has_value() ? 1 : 0);
  const Lease lease{job.has_value() ? job->id : JobId{1}, FencingToken{1}};
  count += t.ListAttempts(lease.job).size() + t.ReadLog(lease, 0, 100).size() +
           t.OpenLogs(Lease{}, 100).size();
  count += t.ReadPoints(100).size() + (t.GetPointRange().newest != 0 ? 1 : 0) +
           (t.FindIncrement({.job = name}).has_value() ? 1 : 0) +
           t.ListIncrements("", {}, 100).size() + t.ListLoads({}, {}, 100).size() +
           (t.FindExecution(name).has_value() ? 1 : 0) + t.ListExecutions({}, {}, 100).size();
  count += t.ListNotes("kind", "", 100).size() + t.CountNotes("kind", 100) +
           (t.FindNote("kind", name).has_value() ? 1 : 0) +
           (t.OldestAvailable("p").has_value() ? 1 : 0);
  return count;
}

TEST_P(StoreContract, NothingIsLeftOfAFailedTransaction) {
  const absl::Status error = absl::AbortedError("changed my mind");
  const absl::Status status = store()->Write([&](StoreTransaction& t) {
    WriteOfEach(t, "x");
    EXPECT_EQ(CountOfEach(t, "x"), kOfEach);
    return error;
  });
  EXPECT_EQ(status, error);
  Write([&](StoreTransaction& t) { EXPECT_EQ(CountOfEach(t, "x"), 0); });
  // And nothing of it is in the way.
  Write([&](StoreTransaction& t) { WriteOfEach(t, "x"); });
  Write([&](StoreTransaction& t) { EXPECT_EQ(CountOfEach(t, "x"), kOfEach); });
}

TEST_P(StoreContract, FailedTransactionRestoresWhatItChanged) {
  JobId id;
  Write([&](StoreTransaction& t) {
    WriteOfEach(t, "x");
    id = t.FindJobByKey("x")->id;
  });
  const std::optional<Job> before = Get(id);
  const Lease lease{id, FencingToken{1}};
  const absl::Status error = absl::AbortedError("changed my mind");
  EXPECT_EQ(store()->Write([&](StoreTransaction& t) {
    Job job = *t.GetJob(id);
    job.state = JobState::kSucceeded;
    job.key = "other";
    t.UpdateJob(job);
    Attempt attempt = *t.GetAttempt(lease);
    attempt.message = "other";
    t.PutAttempt(attempt);
    t.AppendLog(lease, 3, "more");
    t.DeletePipeline("x");
    t.ForgetRequests(absl::InfiniteFuture());
    t.InsertEvent(EventOfPath(2, "v", "x"));
    t.EraseSession("x");
    t.PutWatcher({.host = "x"});
    t.EraseClaimsOf(HolderOf(id));
    t.TakeTurn("duty", Second(5), absl::Seconds(10));
    t.ErasePoints({t.GetPointRange().newest});
    t.AppendPoints(1, "other");
    t.PutIncrement({.job = "x", .value = 5});
    t.PruneLoads(absl::InfiniteFuture(), 10);
    t.PutExecution({.id = "x", .state = ExecutionState::kError});
    t.PruneExecutions(absl::InfiniteFuture(), 10);
    t.EraseNote("kind", "x");
    return error;
  }),
            error);
  EXPECT_EQ(Get(id), before);
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.FindJobByKey("x"), before);
    EXPECT_EQ(t.FindJobByKey("other"), std::nullopt);
    EXPECT_EQ(t.Claim({{"p", 10}}).size(), 1u);
    EXPECT_EQ(t.GetAttempt(lease)->message, FullAttempt(id, 1).message);
    EXPECT_EQ(t.GetAttempt(lease)->log_bytes, 3);
    EXPECT_EQ(LogText(t, lease), "log");
    EXPECT_EQ(t.AppendLog(lease, 3, "end"), 6);
    EXPECT_EQ(LogText(t, lease), "logend");
    EXPECT_EQ(t.ListPipelines().size(), 1u);
    EXPECT_EQ(t.FindRequest("x"), "answer");
    EXPECT_EQ(t.LatestEvent("v", "x")->event.sequence, 1);
    EXPECT_EQ(t.FindSession("x"), FullSession("x"));
    EXPECT_EQ(t.FindWatcher("x"), FullWatcher("x"));
    EXPECT_EQ(t.ListClaims().size(), 1u);
    EXPECT_TRUE(t.TakeTurn("duty", Second(5), absl::Seconds(10)));
    EXPECT_EQ(t.ReadPoints(10).size(), 1u);
    EXPECT_EQ(t.ReadPoints(1)[0].lines, "x");
    EXPECT_EQ(t.FindIncrement({.job = "x"}), Increment{.job = "x"});
    EXPECT_EQ(t.ListLoads({}, {}, 10).size(), 1u);
    EXPECT_EQ(t.FindExecution("x"), Execution{.id = "x"});
    EXPECT_EQ(t.FindNote("kind", "x"), "value");
    EXPECT_TRUE(t.ListFinished(absl::InfinitePast(), {}, 10).empty());
  });
}

TEST_P(StoreContract, AfterTheFirstFailureEveryCallGivesNothing) {
  Write([&](StoreTransaction& t) { WriteOfEach(t, "x"); });
  const absl::Status status = store()->Write([&](StoreTransaction& t) {
    EXPECT_NE(t.InsertJob(SmallJob("y")), JobId{});
    EXPECT_EQ(t.InsertJob(SmallJob("x")), JobId{});  // the key is taken
    EXPECT_EQ(t.InsertJob(SmallJob("z")), JobId{});
    EXPECT_EQ(CountOfEach(t, "x"), 0);
    EXPECT_EQ(t.InsertEvent(EventOfPath(9, "v", "w")), 0);
    EXPECT_EQ(t.AppendLog(Lease{JobId{1}, FencingToken{1}}, 3, "more"), 0);
    EXPECT_EQ(t.EarliestDue(), absl::InfiniteFuture());
    EXPECT_EQ(t.CountAvailableBefore(SmallJob("x"), 10), 0);
    EXPECT_FALSE(t.MayGrantLocks());
    EXPECT_FALSE(t.TakeTurn("duty", Second(5), absl::Seconds(10)));
    EXPECT_EQ(t.Prune(absl::InfiniteFuture(), 10), 0);
    t.AppendPoints(1, "y");
    t.PutIncrement({.job = "x", .value = 5});
    t.AppendLoad({.job = "y"});
    t.PutExecution({.id = "y"});
    t.PutNote("kind", {"y", ""});
    t.EraseNote("kind", "x");
    EXPECT_EQ(CountOfEach(t, "y"), 0);
    EXPECT_TRUE(t.ListFinished(absl::InfinitePast(), {}, 10).empty());
    EXPECT_TRUE(t.ListFailed("p", absl::InfinitePast(), 10).empty());
    EXPECT_EQ(t.ErasePoints({1, 2, 3}), 0);
    EXPECT_EQ(t.PruneLoads(absl::InfiniteFuture(), 10), 0);
    EXPECT_EQ(t.PruneExecutions(absl::InfiniteFuture(), 10), 0);
    // What the caller makes of it is not what went wrong.
    return absl::NotFoundError("consequence");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(CountOfEach(t, "x"), kOfEach);
    EXPECT_EQ(t.FindJobByKey("y"), std::nullopt);
    EXPECT_EQ(t.FindJobByKey("z"), std::nullopt);
  });
}

TEST_P(StoreContract, ReadsSeeNothingBeforeTheCommit) {
  const JobId id = Insert(SmallJob("old"));
  Write([&](StoreTransaction& t) {
    WriteOfEach(t, "new");
    Job job = *t.GetJob(id);
    job.state = JobState::kRunning;
    job.session = "s";
    t.UpdateJob(job);
    EXPECT_EQ(t.GetJob(id)->state, JobState::kRunning);
    EXPECT_EQ(t.LeasesOf("s").size(), 1u);
    Read([&](StoreReader& r) {
      EXPECT_EQ(r.GetJob(id)->state, JobState::kAvailable);
      EXPECT_EQ(r.ListJobs({}, JobId{}, 10).size(), 1u);
      EXPECT_EQ(r.CountUnfinished("p"), 1);
      EXPECT_TRUE(r.ListPipelines().empty());
      EXPECT_TRUE(r.ListEvents("", "", 0, 10).empty());
      EXPECT_EQ(r.LatestEvent("v", "new"), std::nullopt);
      EXPECT_TRUE(r.LeasesOf("s").empty());
      EXPECT_TRUE(r.ListSessions().empty());
      EXPECT_TRUE(r.ListWatchers().empty());
      EXPECT_TRUE(r.ListClaims().empty());
      EXPECT_EQ(r.GetPointRange(), PointRange());
      EXPECT_TRUE(r.ListIncrements("", {}, 10).empty());
      EXPECT_TRUE(r.ListLoads({}, {}, 10).empty());
      EXPECT_TRUE(r.ListExecutions({}, {}, 10).empty());
      EXPECT_EQ(r.CountNotes("kind", 10), 0);
    });
  });
  Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetJob(id)->state, JobState::kRunning);
    EXPECT_EQ(r.ListJobs({}, JobId{}, 10).size(), 2u);
  });
}

// One thread commits pairs of jobs, another one must always see whole pairs.
TEST_P(StoreContract, ReadsSeeOneStateBesideWrites) {
  constexpr int kPairs = 200;
  absl::Notification written;
  std::thread writer([&] {
    for (int pair = 0; pair < kPairs; ++pair) {
      Write([&](StoreTransaction& t) {
        t.InsertJob(SmallJob(absl::StrCat("a", pair)));
        t.InsertJob(SmallJob(absl::StrCat("b", pair)));
      });
    }
    written.Notify();
  });
  int64_t seen = 0;
  do {
    Read([&](StoreReader& r) {
      const int64_t count = r.CountUnfinished("p");
      EXPECT_EQ(count % 2, 0);
      EXPECT_GE(count, seen);
      EXPECT_EQ(static_cast<int64_t>(r.ListJobs({}, JobId{}, 2 * kPairs).size()), count);
      seen = count;
    });
  } while (!written.HasBeenNotified());
  writer.join();
  Read([&](StoreReader& r) { EXPECT_EQ(r.CountUnfinished("p"), 2 * kPairs); });
}

TEST_P(StoreContract, EverythingIsThereAfterReopening) {
  if (!under_test()->durable()) GTEST_SKIP() << "this store is not durable";
  JobId small;
  JobId full;
  JobId done;
  int64_t event = 0;
  int64_t version = 0;
  Write([&](StoreTransaction& t) {
    WriteOfEach(t, "x");
    small = t.FindJobByKey("x")->id;
    full = t.InsertJob(FullJob("full"));
    event = t.InsertEvent(FullEvent("other ledger", 5));
    done = t.InsertJob(SmallJob("done", JobState::kFailed));
    version = t.PipelinesVersion();
    EXPECT_TRUE(t.TakeTurn("duty", Second(5), absl::Seconds(10)));
  });
  under_test()->Reopen();
  Write([&](StoreTransaction& t) {
    EXPECT_EQ(CountOfEach(t, "x"), kOfEach + 3);  // two jobs and an event more
    Job expected = FullJob("full");
    expected.id = full;
    EXPECT_EQ(t.GetJob(full), expected);
    EXPECT_EQ(LogText(t, Lease{small, FencingToken{1}}), "log");
    EXPECT_EQ(t.GetJob(done)->state, JobState::kFailed);
    EXPECT_GT(t.InsertJob(SmallJob("y")), done);
    EXPECT_EQ(t.FindSession("x"), FullSession("x"));
    EXPECT_EQ(t.FindWatcher("x"), FullWatcher("x"));
    EXPECT_EQ(t.PipelinesVersion(), version);
    EXPECT_FALSE(t.TakeTurn("duty", Second(6), absl::Seconds(10)));
    EXPECT_GT(t.InsertEvent(EventOfPath(2, "v", "y")), event);
    EXPECT_EQ(t.InsertEvent(FullEvent("other ledger", 5)), 0);
  });
}

}  // namespace
}  // namespace closewrite
