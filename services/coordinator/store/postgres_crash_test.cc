// Whatever breaks, a write that was acknowledged is there, once, and one that was not is not.
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <thread>  // NOLINT: breaks things
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
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

// Commits of two coordinators that go on until they are stopped.
class Committers {
 public:
  explicit Committers(const std::string& url) {
    for (int i = 0; i < kCommitters; ++i) {
      stores_[i] = Open(url, IdOf(i));
      threads_[i] = std::thread([this, i] { Run(i); });
    }
  }
  ~Committers() { Stop(); }
  static std::string IdOf(int i) { return absl::StrCat("committer ", i); }

  // Returns when so many more commits were acknowledged.
  void Await(int64_t more) {
    absl::MutexLock lock(&mutex_);
    const int64_t wanted = total() + more;
    const auto there = [&] {
      mutex_.AssertHeld();
      return total() >= wanted || failed_;
    };
    mutex_.Await(absl::Condition(&there));
  }
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stop_ = true;
    }
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  // Stops them, and checks what they have left.
  void Check(Store* reader) {
    Stop();
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < kCommitters; ++i) CheckCommits(reader, IdOf(i), acknowledged_[i]);
  }

 private:
  static constexpr int kCommitters = 2;

  int64_t total() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::accumulate(std::begin(acknowledged_), std::end(acknowledged_), int64_t{0});
  }
  // Whether there is more to do after a commit that ended like this.
  bool Note(int i, const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (status.ok()) ++acknowledged_[i];
    failed_ |= !status.ok() && status.code() != absl::StatusCode::kAborted &&
               status.code() != absl::StatusCode::kUnavailable;
    EXPECT_FALSE(failed_) << status;
    return !stop_ && !failed_;
  }
  // What fails is done again.
  void Run(int i) {
    int64_t n = 1;
    for (bool more = true; more;) {
      const absl::Status status = Commit(stores_[i].get(), IdOf(i), n);
      if (status.ok()) ++n;
      more = Note(i, status);
    }
  }

  std::unique_ptr<PostgresStore> stores_[kCommitters];
  std::thread threads_[kCommitters];
  absl::Mutex mutex_;
  int64_t acknowledged_[kCommitters] ABSL_GUARDED_BY(mutex_) = {};
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

class PostgresCrashTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Urls, PostgresCrashTest, testing::Values("", "&notifications=off"));

TEST_P(PostgresCrashTest, BackendsKilledAtRandom) {
  constexpr int kKills = 100;
  PostgresServer* const server = PostgresServer::Get();
  ASSERT_NE(server, nullptr);
  const std::string database = server->NewDatabase();
  const std::string url = absl::StrCat(server->Url(database), GetParam());
  Committers committers(url);
  for (int i = 0; i < kKills; ++i) {
    committers.Await(1);
    const absl::StatusOr<PostgresResult> killed = server->Run(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() ORDER BY random() LIMIT 1");
    EXPECT_TRUE(killed.ok()) << killed.status();
  }
  committers.Check(Open(url, "reader").get());
}

TEST_P(PostgresCrashTest, ServerKilledUnderLoad) {
  constexpr int kKills = 5;
  absl::StatusOr<std::unique_ptr<PostgresServer>> server = PostgresServer::Create();
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string url = absl::StrCat((*server)->Url((*server)->NewDatabase()), GetParam());
  std::mt19937 random(std::random_device{}());
  Committers committers(url);
  for (int i = 0; i < kKills; ++i) {
    committers.Await(1 + static_cast<int64_t>(random() % 50));
    (*server)->Kill();
    const absl::Status started = (*server)->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  committers.Await(1);
  committers.Check(Open(url, "reader").get());
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

// A coordinator that was told to end while its database was gone waited for it for half a minute.
TEST_P(PostgresFaultTest, AtTheEndNobodyWaitsToKnow) {
  const auto allow = [&](bool connections) {
    return server_->Run("postgres",
                        absl::StrCat("ALTER DATABASE ", database_, " ALLOW_CONNECTIONS ",
                                     connections ? "true" : "false"));
  };
  ASSERT_TRUE(allow(false).ok());
  store_->EndSoon();
  const absl::Status status = CommitWith(Fault::kLoseAnswer, 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("no time to find out"), absl::string_view::npos) << status;
  ASSERT_TRUE(allow(true).ok());
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
                  ->Run("postgres",
                        absl::StrCat("ALTER DATABASE ", database_, " SET track_activities = off"))
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
  EXPECT_TRUE(other_
                  ->Write([&](StoreTransaction& t) {
                    EXPECT_EQ(t.FindJobByKey("x"), std::nullopt);
                    return absl::OkStatus();
                  })
                  .ok());
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
