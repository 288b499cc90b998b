// Monitoring kept by several coordinators on one PostgreSQL store, at once.
#include <atomic>
#include <cstdlib>

#include "services/coordinator/store/postgres_fleet_fixture.h"

namespace closewrite {
namespace {

class PostgresMonitoringTest : public PostgresFleetTest {
 protected:
  static std::vector<PointBatch> Points(Store* store) {
    std::vector<PointBatch> points;
    const absl::Status status = store->Read([&](StoreReader& r) {
      points = r.ReadPoints(1000000);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return points;
  }
  static int64_t Erase(Store* store, const std::vector<PointBatch>& points) {
    std::vector<int64_t> ids;
    for (const PointBatch& point : points) ids.push_back(point.id);
    int64_t erased = 0;
    Write(store, [&](StoreTransaction& t) { erased = t.ErasePoints(ids); });
    return erased;
  }
};

INSTANTIATE_TEST_SUITE_P(Urls, PostgresMonitoringTest, testing::Values(""));

// One draws its id first and commits last. Whoever sends what it sees meanwhile, and erases that,
// must not erase the late one with it.
TEST_P(PostgresMonitoringTest, PointThatComesToLightLateStays) {
  int64_t late = 0;
  Write(a_.get(), [&](StoreTransaction& a) {
    a.AppendPoints(1, "late");
    late = a.GetPointRange().newest;  // has its id now
    Write(b_.get(), [](StoreTransaction& b) { b.AppendPoints(1, "soon"); });
    const std::vector<PointBatch> sent = Points(b_.get());
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].lines, "soon");
    EXPECT_LT(late, sent[0].id);
    EXPECT_EQ(Erase(b_.get(), sent), 1);
  });
  EXPECT_EQ(Points(b_.get()), (std::vector<PointBatch>{{late, 1, "late"}}));
}

// Some write while one sends: each point is sent once.
TEST_P(PostgresMonitoringTest, NoPointIsLostBetweenWritersAndASender) {
  constexpr int kWrites = 100;
  constexpr int kPointsEach = 3;
  std::vector<std::thread> writers;
  std::atomic<int> writing = 2;
  for (const char* name : {"c", "d"}) {
    writers.emplace_back([&, name] {
      const std::unique_ptr<PostgresStore> store = Open(name);
      for (int i = 0; i < kWrites; ++i) {
        Write(store.get(), [&](StoreTransaction& t) {
          for (int n = 0; n < kPointsEach; ++n) t.AppendPoints(1, absl::StrCat(name, i, " ", n));
        });
      }
      --writing;
    });
  }
  std::set<std::string> sent;
  for (bool all = false; !all;) {
    all = writing == 0;
    const std::vector<PointBatch> points = Points(a_.get());
    for (const PointBatch& point : points) EXPECT_TRUE(sent.insert(point.lines).second);
    EXPECT_EQ(Erase(a_.get(), points), static_cast<int64_t>(points.size()));
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(sent.size(), size_t{2} * kWrites * kPointsEach);
}

// Two that send the same points erase each of them once.
TEST_P(PostgresMonitoringTest, PointIsErasedByOneOfTwo) {
  Write(a_.get(), [](StoreTransaction& a) {
    for (const char* line : {"x", "y"}) a.AppendPoints(1, line);
  });
  const std::vector<PointBatch> points = Points(a_.get());
  ASSERT_EQ(points.size(), 2u);
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_EQ(a.ErasePoints({points[0].id}), 1);
    other = std::thread([&] { EXPECT_EQ(Erase(b_.get(), points), 1); });
    AwaitWaiter();
  });
  other.join();
  EXPECT_TRUE(Points(a_.get()).empty());
}

// What one has decided on a mark is not overtaken: the other one waits, and sees the new one.
TEST_P(PostgresMonitoringTest, IncrementThatIsBeingRaisedIsSeenRaised) {
  const Increment first{.job = "j", .type = "t", .datasource = "d", .value = 1};
  Write(a_.get(), [&](StoreTransaction& a) { a.PutIncrement(first); });
  const auto raise = [&](StoreTransaction& t) {
    Increment increment = *t.FindIncrement(first.key());
    ++increment.value;
    t.PutIncrement(increment);
  };
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    raise(a);
    other = std::thread([&] { Write(b_.get(), raise); });
    AwaitWaiter();
  });
  other.join();
  Write(a_.get(), [&](StoreTransaction& a) { EXPECT_EQ(a.FindIncrement(first.key())->value, 3); });
}

TEST_P(PostgresMonitoringTest, ExecutionThatIsBeingEndedIsSeenEnded) {
  Execution execution{.id = "e", .job = "j", .started_at = Second(1)};
  Write(a_.get(), [&](StoreTransaction& a) { a.PutExecution(execution); });
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    ASSERT_EQ(a.FindExecution("e"), execution);
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        EXPECT_EQ(b.FindExecution("e")->state, ExecutionState::kEnd);
      });
    });
    AwaitWaiter();
    execution.state = ExecutionState::kEnd;
    execution.ended_at = Second(2);
    a.PutExecution(execution);
  });
  other.join();
}

TEST_P(PostgresMonitoringTest, NoteThatIsBeingReplacedIsSeenReplaced) {
  Write(a_.get(), [](StoreTransaction& a) { a.PutNote("k", {"n", "first"}); });
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    ASSERT_EQ(a.FindNote("k", "n"), "first");
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        EXPECT_EQ(b.FindNote("k", "n"), "second");
        b.PutNote("k", {"n", "third"});
      });
    });
    AwaitWaiter();
    a.PutNote("k", {"n", "second"});
  });
  other.join();
  Write(a_.get(), [](StoreTransaction& a) { EXPECT_EQ(a.FindNote("k", "n"), "third"); });
}

TEST_P(PostgresMonitoringTest, NoteThatIsBeingErasedIsSeenErased) {
  Write(a_.get(), [](StoreTransaction& a) { a.PutNote("k", {"n", "first"}); });
  std::thread other;
  Write(a_.get(), [&](StoreTransaction& a) {
    a.EraseNote("k", "n");
    EXPECT_EQ(a.CountNotes("k", 10), 0);  // so it is erased by now
    other = std::thread([&] {
      Write(b_.get(), [&](StoreTransaction& b) {
        EXPECT_EQ(b.FindNote("k", "n"), std::nullopt);
        b.PutNote("k", {"n", "second"});
      });
    });
    AwaitWaiter();
  });
  other.join();
  Write(a_.get(), [](StoreTransaction& a) { EXPECT_EQ(a.FindNote("k", "n"), "second"); });
}

// Both put the same notes again and again: each waits or is to look again, and nothing else happens
// to it.
TEST_P(PostgresMonitoringTest, NotesThatTwoPutAreAllPut) {
  constexpr int kRounds = 10;  // each may wait for the server to find a deadlock
  constexpr int kTriesMax = 1000;
  const auto put_all = [&](Store* store, int first) {
    for (int round = 0; round < kRounds; ++round) {
      absl::Status status = absl::AbortedError("not yet");
      for (int attempt = 0; absl::IsAborted(status) && attempt < kTriesMax; ++attempt) {
        status = TryWrite(store, [&](StoreTransaction& t) {
          // In opposite orders.
          for (const int i : {first, 1 - first}) {
            const std::string key = absl::StrCat(i);
            const int value = std::atoi(t.FindNote("k", key).value_or("0").c_str());
            t.PutNote("k", {key, absl::StrCat(value + 1)});
          }
        });
      }
      EXPECT_TRUE(status.ok()) << status;
    }
  };
  std::thread other([&] { put_all(b_.get(), 1); });
  put_all(a_.get(), 0);
  other.join();
  Write(a_.get(), [&](StoreTransaction& a) {
    for (const char* key : {"0", "1"}) EXPECT_EQ(a.FindNote("k", key), absl::StrCat(2 * kRounds));
  });
}

// Neither sees that the other makes it; who commits last is to look again.
TEST_P(PostgresMonitoringTest, WhatTwoInsertIsInsertedOnce) {
  const auto race = [&](absl::FunctionRef<void(StoreTransaction&)> put) {
    const absl::Status refused = TryWrite(a_.get(), [&](StoreTransaction& a) {
      put(a);
      Write(b_.get(), put);
    });
    EXPECT_EQ(refused.code(), absl::StatusCode::kAborted) << refused;
    Write(a_.get(), put);
  };
  race([](StoreTransaction& t) { t.PutIncrement({.job = "j"}); });
  race([](StoreTransaction& t) { t.PutExecution({.id = "e"}); });
  race([](StoreTransaction& t) { t.PutNote("k", {"n", "value"}); });
}

// Nobody waits for who forgets, and nothing is forgotten by two.
TEST_P(PostgresMonitoringTest, WhatOneForgetsAnotherLeavesOut) {
  Write(a_.get(), [](StoreTransaction& a) {
    for (int i = 0; i < 3; ++i) {
      a.AppendLoad({.at = Second(i)});
      a.PutExecution({.id = absl::StrCat(i), .started_at = Second(i)});
      a.AppendAudit({.at = Second(i)});
    }
  });
  Write(a_.get(), [&](StoreTransaction& a) {
    EXPECT_EQ(a.PruneLoads(Second(9), 2), 2);
    EXPECT_EQ(a.PruneExecutions(Second(9), 2), 2);
    EXPECT_EQ(a.PruneAudit(Second(9), 2), 2);
    Write(b_.get(), [](StoreTransaction& b) {
      EXPECT_EQ(b.PruneLoads(Second(9), 9), 1);
      EXPECT_EQ(b.PruneExecutions(Second(9), 9), 1);
      EXPECT_EQ(b.PruneAudit(Second(9), 9), 1);
    });
  });
}

}  // namespace
}  // namespace closewrite
