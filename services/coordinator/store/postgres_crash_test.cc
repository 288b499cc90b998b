// Whatever breaks, a write that was acknowledged is there, once, and one that was not is not.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>  // NOLINT: breaks things
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/coordinator/store/postgres_proxy.h"
#include "services/coordinator/store/postgres_server.h"
#include "services/coordinator/store/postgres_store.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {
namespace {

using Fault = PostgresProxy::Fault;

constexpr int kTriesMax = 1000;

std::unique_ptr<PostgresStore> Open(const std::string& url, const std::string& id) {
  for (int i = 0; i < kTriesMax; ++i) {
    absl::StatusOr<std::unique_ptr<PostgresStore>> store = PostgresStore::Open(url, id);
    if (store.ok()) return *std::move(store);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
  }
  ADD_FAILURE() << "cannot open " << url;
  return nullptr;
}

// Commit number `n` of a coordinator: a job and an event of their own, and a counter that tells
// every commit that came twice.
absl::Status Commit(Store* store, const std::string& id, int64_t n) {
  return store->Write([&](StoreTransaction& t) {
    std::optional<Job> counter = t.FindJobByKey(id);
    if (!counter.has_value()) {
      counter = SmallJob(id, JobState::kScheduled);
      counter->id = t.InsertJob(*counter);
    }
    ++counter->event_id;
    t.UpdateJob(*counter);
    t.InsertJob(SmallJob(absl::StrCat(id, "/", n)));
    EventRecord event = EventOfPath(n, id, "f");
    event.ledger_id = id;
    t.InsertEvent(event);
    return absl::OkStatus();
  });
}

void CheckCommits(Store* store, const std::string& id, int64_t acknowledged) {
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    const std::optional<Job> counter = t.FindJobByKey(id);
    EXPECT_EQ(counter.has_value() ? counter->event_id : 0, acknowledged) << id;
    for (int64_t n = 1; n <= acknowledged + 1; ++n) {
      EXPECT_EQ(t.FindJobByKey(absl::StrCat(id, "/", n)).has_value(), n <= acknowledged)
          << id << "/" << n;
    }
    const int64_t limit = acknowledged + 10;
    EXPECT_EQ(static_cast<int64_t>(t.ListEvents(id, "f", 0, limit).size()), acknowledged);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// Commits until `stop`, again and again what fails. Returns how many were acknowledged.
int64_t CommitUntil(const std::atomic<bool>& stop, Store* store, const std::string& id) {
  int64_t acknowledged = 0;
  while (!stop) {
    const absl::Status status = Commit(store, id, acknowledged + 1);
    if (status.ok()) {
      ++acknowledged;
    } else if (status.code() != absl::StatusCode::kAborted &&
               status.code() != absl::StatusCode::kUnavailable) {
      ADD_FAILURE() << status;
      break;
    }
  }
  return acknowledged;
}

// Two coordinators commit while `disturb` is called again and again.
void CommitWhile(PostgresServer* server, const std::string& url, int times,
                 absl::FunctionRef<void()> disturb) {
  std::unique_ptr<PostgresStore> stores[] = {Open(url, "a"), Open(url, "b")};
  std::atomic<bool> stop = false;
  int64_t acknowledged[] = {0, 0};
  std::thread writers[2];
  for (int i = 0; i < 2; ++i) {
    writers[i] = std::thread([&, i] {
      acknowledged[i] = CommitUntil(stop, stores[i].get(), i == 0 ? "a" : "b");
    });
  }
  for (int i = 0; i < times; ++i) disturb();
  stop = true;
  for (std::thread& writer : writers) writer.join();
  const std::unique_ptr<PostgresStore> reader = Open(url, "reader");
  CheckCommits(reader.get(), "a", acknowledged[0]);
  CheckCommits(reader.get(), "b", acknowledged[1]);
  testing::Test::RecordProperty("acknowledged",
                                static_cast<int>(acknowledged[0] + acknowledged[1]));
  EXPECT_GT(acknowledged[0] + acknowledged[1], times);
}

class PostgresCrashTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Urls, PostgresCrashTest, testing::Values("", "&notifications=off"));

TEST_P(PostgresCrashTest, BackendsKilledAtRandom) {
  PostgresServer* const server = PostgresServer::Get();
  ASSERT_NE(server, nullptr);
  const std::string database = server->NewDatabase();
  CommitWhile(server, absl::StrCat(server->Url(database), GetParam()), 300, [&] {
    const absl::StatusOr<PostgresResult> killed = server->Run(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() ORDER BY random() LIMIT 1");
    EXPECT_TRUE(killed.ok()) << killed.status();
  });
}

TEST_P(PostgresCrashTest, ServerKilledUnderLoad) {
  absl::StatusOr<std::unique_ptr<PostgresServer>> server = PostgresServer::Create();
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string database = (*server)->NewDatabase();
  const std::string url = absl::StrCat((*server)->Url(database), GetParam());
  std::mt19937 random(std::random_device{}());
  CommitWhile(server->get(), url, 5, [&] {
    // Some commits later.
    for (int i = static_cast<int>(random() % 100); i >= 0; --i) {
      EXPECT_TRUE((*server)->Run(database, "SELECT 1").ok());
    }
    (*server)->Kill();
    const absl::Status started = (*server)->Start();
    ASSERT_TRUE(started.ok()) << started;
  });
}

class PostgresFaultTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Get();
    ASSERT_NE(server_, nullptr);
    database_ = server_->NewDatabase();
    const std::string url = absl::StrCat(server_->Url(database_), GetParam());
    const std::string folder = url.substr(url.find("host=") + 5, server_->folder().size());
    proxy_ = std::make_unique<PostgresProxy>(folder);
    store_ = Open(absl::StrReplaceAll(url, {{folder, proxy_->folder()}}), "a");
    other_ = Open(url, "other");
    ASSERT_TRUE(Commit(store_.get(), "a", 1).ok());
  }
  void TearDown() override {
    store_ = nullptr;
    proxy_ = nullptr;
  }

  // Commit number `n`, whose last round trip `fault` befalls.
  absl::Status CommitWith(Fault fault, int64_t n) {
    const absl::Status status = store_->Write([&](StoreTransaction& t) {
      std::optional<Job> counter = t.FindJobByKey("a");
      ++counter->event_id;
      t.UpdateJob(*counter);
      t.InsertJob(SmallJob(absl::StrCat("a/", n)));
      EventRecord event = EventOfPath(n, "a", "f");
      event.ledger_id = "a";
      t.InsertEvent(event);
      proxy_->Arm(fault);
      return absl::OkStatus();
    });
    EXPECT_FALSE(proxy_->armed());
    return status;
  }

  PostgresServer* server_ = nullptr;
  std::string database_;
  std::unique_ptr<PostgresProxy> proxy_;
  std::unique_ptr<PostgresStore> store_;
  std::unique_ptr<PostgresStore> other_;
};
INSTANTIATE_TEST_SUITE_P(Urls, PostgresFaultTest, testing::Values("", "&notifications=off"));

TEST_P(PostgresFaultTest, CommitWhoseAnswerIsLostHasHappened) {
  for (int64_t n = 2; n < 5; ++n) {
    const absl::Status status = CommitWith(Fault::kLoseAnswer, n);
    EXPECT_TRUE(status.ok()) << status;
    CheckCommits(other_.get(), "a", n);
  }
}

// The server's end of the connection stays open, with all its locks.
TEST_P(PostgresFaultTest, CommitThatDoesNotArriveIsAborted) {
  const absl::Status status = CommitWith(Fault::kLoseRequest, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  CheckCommits(other_.get(), "a", 1);
  EXPECT_TRUE(Commit(store_.get(), "a", 2).ok());
  CheckCommits(other_.get(), "a", 2);
}

TEST_P(PostgresFaultTest, CommitThatArrivesLateIsRefused) {
  const absl::Status status = CommitWith(Fault::kDelayRequest, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  proxy_->Release();
  CheckCommits(other_.get(), "a", 1);
  EXPECT_TRUE(Commit(store_.get(), "a", 2).ok());
  CheckCommits(other_.get(), "a", 2);
}

// Nothing tells which transactions the server runs, so none can be ended: the epoch alone must do.
TEST_P(PostgresFaultTest, CommitThatArrivesLateIsRefusedByItsEpoch) {
  ASSERT_TRUE(server_
                  ->Run("postgres", absl::StrCat("ALTER DATABASE ", database_,
                                                 " SET track_activities = off"))
                  .ok());
  // Connected anew, so that it holds.
  ASSERT_EQ(CommitWith(Fault::kLoseAnswer, 2), absl::OkStatus());
  const absl::Status status = CommitWith(Fault::kDelayRequest, 3);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  const absl::StatusOr<PostgresResult> open = server_->Run(
      database_, absl::StrCat("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                              " AND database = (SELECT oid FROM pg_database WHERE datname = '",
                              database_, "')"));
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_GT(PostgresRow(*open, 0).Int(), 0) << "the old transaction is not open any more";
  proxy_->Release();
  CheckCommits(other_.get(), "a", 2);
}

TEST_P(PostgresFaultTest, ConnectionLostBeforeTheCommitLeavesNothing) {
  const absl::Status status = store_->Write([&](StoreTransaction& t) {
    t.InsertJob(SmallJob("x"));
    proxy_->Arm(Fault::kLoseAnswer);
    EXPECT_TRUE(t.ListJobs({}, JobId{}, 10).empty());
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  CheckCommits(other_.get(), "a", 1);
  EXPECT_TRUE(other_->Write([&](StoreTransaction& t) {
                    EXPECT_EQ(t.FindJobByKey("x"), std::nullopt);
                    return absl::OkStatus();
                  }).ok());
}

TEST_P(PostgresFaultTest, ConnectionThatBrokeWhileIdleIsNotNoticed) {
  for (int64_t n = 2; n < 4; ++n) {
    ASSERT_TRUE(server_
                    ->Run(database_,
                          "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                          " WHERE datname = current_database() AND pid <> pg_backend_pid()")
                    .ok());
    const absl::Status written = Commit(store_.get(), "a", n);
    EXPECT_TRUE(written.ok()) << written;
    const absl::Status read = store_->Read([&](StoreReader& r) {
      EXPECT_EQ(static_cast<int64_t>(r.ListEvents("a", "f", 0, 100).size()), n);
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
  }
}

}  // namespace
}  // namespace closewrite
