// Several coordinators on one PostgreSQL store, at once.
#include "services/coordinator/store/postgres_fleet_fixture.h"

namespace closewrite {
namespace {

INSTANTIATE_TEST_SUITE_P(Urls, PostgresFleetTest, testing::Values("", "&notifications=off"),
                         [](const testing::TestParamInfo<std::string>& info) -> std::string {
                           return info.param.empty() ? "Connections" : "Transactions";
                         });

using Keys = std::vector<std::string>;

Keys KeysOf(const std::vector<Job>& jobs) {
  Keys keys;
  for (const Job& job : jobs) keys.push_back(job.key);
  return keys;
}

TEST_P(PostgresFleetTest, ClaimLeavesOutWhatAnotherHasClaimed) {
  for (const char* key : {"1", "2", "3", "4", "5"}) Insert(a_.get(), SmallJob(key));
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_EQ(KeysOf(a.Claim({{"p", 2}})), (Keys{"1", "2"}));
    Write(b_.get(), [&](StoreTransaction& b) {
      EXPECT_EQ(KeysOf(b.Claim({{"p", 2}})), (Keys{"3", "4"}));
      EXPECT_EQ(KeysOf(b.Claim({{"p", 9}})), (Keys{"3", "4", "5"}));
    });
  });
  // Nobody has leased them, so they are there again.
  Write(b_.get(), [&](StoreTransaction& b) { EXPECT_EQ(b.Claim({{"p", 9}}).size(), 5u); });
}

TEST_P(PostgresFleetTest, NoJobIsClaimedTwice) {
  constexpr int kJobs = 2000;
  constexpr int kBatch = 7;
  Write(a_.get(), [&](StoreTransaction& t) {
    for (int i = 0; i < kJobs; ++i) t.InsertJob(SmallJob(absl::StrCat(i)));
  });
  absl::Mutex mutex;
  std::map<JobId, int> claims;
  const auto drain = [&](Store* store) {
    for (int empty = 0; empty < 2;) {
      std::vector<Job> jobs;
      Write(store, [&](StoreTransaction& t) {
        jobs = t.Claim({{"p", kBatch}});
        for (Job& job : jobs) {
          job.state = JobState::kRunning;
          job.session = "s";
          ++job.token.value;
          t.UpdateJob(job);
        }
      });
      Write(store, [&](StoreTransaction& t) {
        for (Job& job : jobs) {
          job.state = JobState::kSucceeded;
          t.UpdateJob(job);
        }
      });
      empty = jobs.empty() ? empty + 1 : 0;
      absl::MutexLock lock(&mutex);
      for (const Job& job : jobs) ++claims[job.id];
    }
  };
  const std::unique_ptr<PostgresStore> c = Open("c");
  std::vector<std::thread> drainers;
  for (Store* store : {a_.get(), b_.get(), c.get()}) drainers.emplace_back(drain, store);
  for (std::thread& drainer : drainers) drainer.join();
  EXPECT_EQ(claims.size(), static_cast<size_t>(kJobs));
  for (const auto& [id, times] : claims) EXPECT_EQ(times, 1) << id.value;
}

// Each holds what the other wants. One gives way; if it came again beside the other, which goes on
// to do the same, they would do so again and again, a second each time.
TEST_P(PostgresFleetTest, WhoGaveWayComesAgainAlone) {
  const JobId one = Insert(a_.get(), SmallJob("1"));
  const JobId two = Insert(a_.get(), SmallJob("2"));
  absl::Mutex mutex;
  int inside = 0;
  int aborted = 0;
  const auto work = [&](Store* store, JobId first, JobId second) {
    const auto both = [&] { return inside == 2; };
    for (int tries = 0; tries < 10; ++tries) {
      const absl::Status status = TryWrite(store, [&](StoreTransaction& t) {
        std::optional<Job> job = t.GetJob(first);
        {
          absl::MutexLock lock(&mutex);
          ++inside;
          // Alone there is nobody to wait for.
          mutex.AwaitWithTimeout(absl::Condition(&both), absl::Milliseconds(500));
        }
        (void)t.GetJob(second);
        job->attempts++;
        t.UpdateJob(*job);
        absl::MutexLock lock(&mutex);
        --inside;
      });
      if (status.ok()) return;
      EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
      absl::MutexLock lock(&mutex);
      ++aborted;
    }
    ADD_FAILURE() << "never";
  };
  std::thread other([&] { work(b_.get(), two, one); });
  work(a_.get(), one, two);
  other.join();
  EXPECT_EQ(aborted, 1);
}

TEST_P(PostgresFleetTest, SessionThatAnotherLooksAtDoesNotExpire) {
  Write(a_.get(), [&](StoreTransaction& t) {
    t.PutSession({.id = "x", .expires_at = Second(1)});
    t.PutSession({.id = "y", .expires_at = Second(1)});
  });
  Write(a_.get(), [&](StoreTransaction& a) {
    SessionRecord x = *a.FindSession("x");
    Write(b_.get(), [&](StoreTransaction& b) {
      const std::vector<SessionRecord> expired = b.ExpiredSessions(Second(2), 10);
      ASSERT_EQ(expired.size(), 1u);
      EXPECT_EQ(expired[0].id, "y");
      b.EraseSession("y");
    });
    x.expires_at = Second(9);
    a.PutSession(x);
  });
  Write(b_.get(), [&](StoreTransaction& b) {
    EXPECT_TRUE(b.ExpiredSessions(Second(2), 10).empty());
    EXPECT_EQ(b.FindSession("y"), std::nullopt);
  });
}

// What one has decided on a job is not overtaken: the other one waits, and sees it as it is then.
TEST_P(PostgresFleetTest, JobThatIsBeingFinishedIsSeenFinished) {
  Job job = SmallJob("x", JobState::kRunning);
  job.id = Insert(a_.get(), job);
  for (const JobState state : {JobState::kFailed, JobState::kAvailable, JobState::kSucceeded}) {
    std::thread other;
    Write(a_.get(), [&](StoreTransaction& a) {
      ASSERT_TRUE(a.GetJob(job.id).has_value());
      other = std::thread([&] {
        Write(b_.get(), [&](StoreTransaction& b) {
          const std::optional<Job> seen = b.GetJob(job.id);
          ASSERT_TRUE(seen.has_value());
          EXPECT_EQ(seen->state, state);
          EXPECT_EQ(b.FindJobByKey("x"), seen);
        });
      });
      AwaitWaiter();
      job.state = state;
      a.UpdateJob(job);
    });
    other.join();
  }
}

TEST_P(PostgresFleetTest, KeyThatIsBeingLookedForMayMove) {
  Job job = SmallJob("x", JobState::kRunning);
  job.id = Insert(a_.get(), job);
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    ASSERT_TRUE(a.GetJob(job.id).has_value());
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        EXPECT_EQ(b.FindJobByKey("x"), std::nullopt);
        EXPECT_EQ(b.FindJobByKey("y")->id, job.id);
      });
    });
    AwaitWaiter();
    job.key = "y";
    a.UpdateJob(job);
  });
  other.join();
}

// Two that want the same two jobs in different order.
TEST_P(PostgresFleetTest, DeadlockIsAborted) {
  const JobId first = Insert(a_.get(), SmallJob("first"));
  const JobId second = Insert(a_.get(), SmallJob("second"));
  absl::Notification has_first;
  absl::Notification has_second;
  const auto touch = [](StoreTransaction& t, JobId id) {
    std::optional<Job> job = t.GetJob(id);
    if (!job.has_value()) return;
    ++job->attempts;
    t.UpdateJob(*job);
  };
  absl::Status of_b;
  std::thread other([&] {
    of_b = TryWrite(b_.get(), [&](StoreTransaction& b) {
      touch(b, second);
      has_second.Notify();
      has_first.WaitForNotification();
      touch(b, first);
    });
  });
  const absl::Status of_a = TryWrite(a_.get(), [&](StoreTransaction& a) {
    touch(a, first);
    has_first.Notify();
    has_second.WaitForNotification();
    touch(a, second);
  });
  other.join();
  EXPECT_NE(of_a.ok(), of_b.ok()) << of_a << " " << of_b;
  EXPECT_EQ((of_a.ok() ? of_b : of_a).code(), absl::StatusCode::kAborted);
  // The one that was ended did nothing, and may begin anew.
  Write((of_a.ok() ? b_ : a_).get(), [&](StoreTransaction& t) {
    touch(t, first);
    touch(t, second);
    EXPECT_EQ(t.GetJob(first)->attempts, 2);
    EXPECT_EQ(t.GetJob(second)->attempts, 2);
  });
}

// Inserts the same by both, A first to look and last to commit; A is refused, then finds it.
template <class Make, class Find>
void ExpectRace(Store* a, Store* b, Make make, Find find) {
  const auto write = [&](StoreTransaction& t) {
    if (find(t)) return false;
    make(t);
    return true;
  };
  const absl::Status refused = a->Write([&](StoreTransaction& ta) {
    EXPECT_FALSE(find(ta));
    const absl::Status of_b = b->Write([&](StoreTransaction& tb) {
      EXPECT_TRUE(write(tb));
      return absl::OkStatus();
    });
    EXPECT_TRUE(of_b.ok()) << of_b;
    EXPECT_TRUE(write(ta));
    return absl::OkStatus();
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted) << refused;
  const absl::Status again = a->Write([&](StoreTransaction& ta) {
    EXPECT_FALSE(write(ta));
    return absl::OkStatus();
  });
  EXPECT_TRUE(again.ok()) << again;
}

TEST_P(PostgresFleetTest, WhatTwoInsertIsInsertedOnce) {
  ExpectRace(
      a_.get(), b_.get(), [](StoreTransaction& t) { t.InsertJob(SmallJob("x")); },
      [](StoreTransaction& t) { return t.FindJobByKey("x").has_value(); });
  int64_t sequence = 0;
  ExpectRace(
      a_.get(), b_.get(),
      [&](StoreTransaction& t) { t.InsertEvent(EventOfPath(++sequence, "v", "f")); },
      [](StoreTransaction& t) { return t.LatestEvent("v", "f").has_value(); });
  ExpectRace(
      a_.get(), b_.get(), [](StoreTransaction& t) { t.RecordRequest("r", "answer", Second(1)); },
      [](StoreTransaction& t) { return t.FindRequest("r").has_value(); });
  ExpectRace(
      a_.get(), b_.get(), [](StoreTransaction& t) { t.PutSession({.id = "s"}); },
      [](StoreTransaction& t) { return t.FindSession("s").has_value(); });
  ExpectRace(
      a_.get(), b_.get(), [](StoreTransaction& t) { t.PutWatcher({.host = "h"}); },
      [](StoreTransaction& t) { return t.FindWatcher("h").has_value(); });
  const Lease lease{JobId{1}, FencingToken{1}};
  ExpectRace(
      a_.get(), b_.get(), [&](StoreTransaction& t) { t.AppendLog(lease, 0, "log"); },
      [&](StoreTransaction& t) { return t.LogLength(lease) != 0; });
}

// The key of a job that was finished in between must not be free for the one who looked before.
TEST_P(PostgresFleetTest, KeyOfAJobThatCameAndWentIsTaken) {
  const absl::Status refused = TryWrite(a_.get(), [&](StoreTransaction& a) {
    EXPECT_EQ(a.FindJobByKey("x"), std::nullopt);
    Job job = SmallJob("x", JobState::kRunning);
    job.id = Insert(b_.get(), job);
    job.state = JobState::kSucceeded;
    Write(b_.get(), [&](StoreTransaction& b) { b.UpdateJob(job); });
    a.InsertJob(SmallJob("x"));
  });
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted) << refused;
}

// Two versions of one file, told to two coordinators: the second one finds the first one's job.
TEST_P(PostgresFleetTest, TransactionsAboutOneFileComeOneAfterTheOther) {
  Write(a_.get(), [&](StoreTransaction& t) { t.InsertEvent(EventOfPath(1, "in", "f")); });
  Job job = SmallJob("version 1");
  job.input.path = "f";
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_EQ(a.LastInLine("p", "in", "f"), std::nullopt);
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        b.Expect({.paths = {{"in", "f"}}});
        EXPECT_EQ(b.LatestEvent("in", "f")->event.sequence, 2);
        ASSERT_TRUE(b.LastInLine("p", "in", "f").has_value());
        EXPECT_EQ(b.LastInLine("p", "in", "f")->key, "version 1");
      });
    });
    AwaitWaiter();
    a.InsertEvent(EventOfPath(2, "in", "f"));
    a.InsertJob(job);
  });
  other.join();
}

// Ids are drawn in advance, and yet those of one file rise.
TEST_P(PostgresFleetTest, IdsOfOneFileRise) {
  std::vector<int64_t> events;
  std::vector<int64_t> jobs;
  for (int i = 0; i < 12; ++i) {
    // In twos and threes, so that both have numbers left over.
    Store* const store = i % 5 < 2 ? a_.get() : b_.get();
    Write(store, [&](StoreTransaction& t) {
      t.InsertEvent(EventOfPath(100 + i, "in", absl::StrCat("other ", i)));
      t.InsertJob(SmallJob(absl::StrCat("other ", i)));
      events.push_back(t.InsertEvent(EventOfPath(i, "in", "f")));
      Job job = SmallJob(absl::StrCat("f ", i));
      job.input.path = "f";
      jobs.push_back(t.InsertJob(job).value);
    });
    EXPECT_TRUE(a_->Read([&](StoreReader& r) {
                    EXPECT_EQ(r.LatestEvent("in", "f")->id, events.back());
                    EXPECT_EQ(r.ListEvents("in", "f", 0, 1)[0].id, events.back());
                    const JobFilter of_f{.input_volume = "in", .input_path = "f"};
                    EXPECT_EQ(r.ListJobs(of_f, JobId{}, 1)[0].id.value, jobs.back());
                    return absl::OkStatus();
                  }).ok());
  }
  EXPECT_TRUE(std::is_sorted(events.begin(), events.end()));
  EXPECT_TRUE(std::is_sorted(jobs.begin(), jobs.end()));
}

TEST_P(PostgresFleetTest, LocksAreGrantedByOneAtATime) {
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_TRUE(a.MayGrantLocks());
    Write(b_.get(), [&](StoreTransaction& b) { EXPECT_FALSE(b.MayGrantLocks()); });
    a.PutClaim({.lock = "picky-api", .holder = "job/1", .job = JobId{1}});
    Write(b_.get(), [&](StoreTransaction& b) { EXPECT_FALSE(b.MayGrantLocks()); });
  });
  Write(b_.get(), [&](StoreTransaction& b) {
    EXPECT_TRUE(b.MayGrantLocks());
    ASSERT_EQ(b.ListClaims().size(), 1u);
    EXPECT_EQ(b.ListClaims()[0].job, JobId{1});
  });
}

TEST_P(PostgresFleetTest, TurnIsTakenByOneAndNobodyWaits) {
  const auto take = [](StoreTransaction& t, int64_t now) {
    return t.TakeTurn("prune", Second(now), absl::Seconds(10));
  };
  const absl::Status undone = a_->Write([&](StoreTransaction& a) {
    EXPECT_TRUE(take(a, 100));
    Write(b_.get(), [&](StoreTransaction& b) { EXPECT_FALSE(take(b, 100)); });
    EXPECT_FALSE(take(a, 100));
    return absl::CancelledError("changed my mind");
  });
  EXPECT_EQ(undone.code(), absl::StatusCode::kCancelled);
  // It was not done, so it is still to do.
  Write(b_.get(), [&](StoreTransaction& b) { EXPECT_TRUE(take(b, 101)); });
  Write(a_.get(), [&](StoreTransaction& a) { EXPECT_FALSE(take(a, 110)); });
  Write(a_.get(), [&](StoreTransaction& a) { EXPECT_FALSE(take(a, 109)); });
  Write(a_.get(), [&](StoreTransaction& a) { EXPECT_TRUE(take(a, 111)); });
  Write(b_.get(), [&](StoreTransaction& b) { EXPECT_FALSE(take(b, 112)); });
}

// Once a pipeline is applied, nobody commits what was judged by the old one.
TEST_P(PostgresFleetTest, PipelineChangesBetweenTransactions) {
  int64_t before = 0;
  absl::Notification committed;
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    before = a.PipelinesVersion();
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        b.PutPipeline({"p", 1, Second(1), "definition"});
        EXPECT_TRUE(committed.HasBeenNotified());
        EXPECT_EQ(b.FindJobByKey("judged by the old one")->pipeline, "p");
      });
    });
    AwaitWaiter();
    EXPECT_EQ(a.PipelinesVersion(), before);
    a.InsertJob(SmallJob("judged by the old one"));
    committed.Notify();
  });
  other.join();
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_GT(a.PipelinesVersion(), before);
    EXPECT_EQ(a.ListPipelines().size(), 1u);
  });
}

// A follower that is inserted while its job is being finished is not forgotten.
TEST_P(PostgresFleetTest, FollowerThatComesLastIsSeen) {
  Job job = SmallJob("x", JobState::kRunning);
  job.id = Insert(a_.get(), job);
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    ASSERT_TRUE(a.LastInLine("p", "in", "x").has_value());
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        b.Expect({.jobs = {job.id}});
        ASSERT_TRUE(b.GetJob(job.id).has_value());
        EXPECT_EQ(KeysOf(b.Followers(job.id)), Keys{"follower"});
      });
    });
    AwaitWaiter();
    Job follower = SmallJob("follower", JobState::kScheduled);
    follower.after = job.id;
    a.InsertJob(follower);
  });
  other.join();
}

// All but the holder's clock: the time is the database's.
TEST_P(PostgresFleetTest, TimeIsTheDatabases) {
  absl::Time first;
  Write(a_.get(), [&](StoreTransaction& a) {
    first = a.Now(Second(5));
    EXPECT_EQ(a.Now(Second(6)), first);
  });
  EXPECT_GT(first, Second(1000000000));
  Write(b_.get(), [&](StoreTransaction& b) { EXPECT_GE(b.Now(Second(5)), first); });
  EXPECT_TRUE(b_->Read([&](StoreReader& r) {
                  EXPECT_GE(r.Now(Second(5)), first);
                  return absl::OkStatus();
                }).ok());
}

}  // namespace
}  // namespace closewrite
