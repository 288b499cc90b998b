// The PostgreSQL store's own matters: its URL, its schema, rights, errors, plans.
#include "services/coordinator/store/postgres_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>  // NOLINT: coordinators that start at once
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/coordinator/core/log_pieces.h"
#include "services/coordinator/store/postgres_connection.h"
#include "services/coordinator/store/postgres_schema.h"
#include "services/coordinator/store/postgres_server.h"
#include "services/coordinator/store/postgres_url.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {
namespace {

std::string ParameterOf(const PostgresUrl& url, const std::string& keyword) {
  for (const auto& [name, value] : url.parameters) {
    if (name == keyword) return value;
  }
  return "";
}

TEST(PostgresUrlTest, NotificationsAreTakenOut) {
  for (const auto& [text, notifications] : std::vector<std::pair<std::string, bool>>{
           {"postgresql://u@h/d", true},
           {"postgres://u@h/d?notifications=on", true},
           {"postgresql://u@h/d?notifications=off", false},
           {"postgresql://u@h/d?notifications=off&sslmode=require", false},
           {"postgresql://u@h/d?sslmode=require&notifications=off&connect_timeout=9", false}}) {
    const absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->notifications, notifications) << text;
    EXPECT_EQ(ParameterOf(*url, "dbname"), "d");
    EXPECT_EQ(ParameterOf(*url, "host"), "h");
    EXPECT_EQ(ParameterOf(*url, "sslmode"), absl::StrContains(text, "sslmode") ? "require" : "")
        << text;
    EXPECT_EQ(ParameterOf(*url, "connect_timeout"),
              absl::StrContains(text, "connect_timeout") ? "9" : "5")
        << text;
  }
}

TEST(PostgresUrlTest, WhatIsNoUrlIsRefusedWithoutThePassword) {
  for (const std::string text :
       {"sqlite:/var/lib/x", "postgresql://u:secret@h/d?nonsense=secret",
        "postgresql://u:secret@h/d?notifications=maybe", "postgresql://u:secret@[h/d"}) {
    const absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(text);
    EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(url.status().message(), "postgresql://user@host/database"));
    EXPECT_FALSE(absl::StrContains(url.status().message(), "secret")) << url.status();
  }
}

class PostgresStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresServer::Get();
    ASSERT_NE(server_, nullptr);
    database_ = server_->NewDatabase();
  }
  void Run(std::string_view sql) {
    const absl::StatusOr<PostgresResult> result = server_->Run(database_, sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.status();
  }
  std::unique_ptr<PostgresStore> OpenAs(const std::string& role, const std::string& id = "id") {
    absl::StatusOr<std::unique_ptr<PostgresStore>> store =
        PostgresStore::Open(server_->Url(database_, role), id);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void ExpectRefused(const std::string& role, const std::vector<std::string>& words) {
    const absl::StatusOr<std::unique_ptr<PostgresStore>> store =
        PostgresStore::Open(server_->Url(database_, role), "id");
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition) << store.status();
    for (const std::string& word : words) {
      EXPECT_TRUE(absl::StrContains(store.status().message(), word)) << store.status();
    }
  }
  // Makes the schema one of before version 10, but for its number.
  void ForgetCompatible() { Run("ALTER TABLE closewrite.schema_version DROP COLUMN compatible"); }
  // The same of version 9.
  void ForgetAudit() {
    ForgetCompatible();
    Run("DROP TABLE closewrite.audit");
  }
  // The same of version 8.
  void ForgetClaims() {
    ForgetAudit();
    Run("DROP TABLE closewrite.lock_claims");
    Run("CREATE TABLE closewrite.locks(lock bytea NOT NULL PRIMARY KEY, job_id bigint NOT NULL,"
        " since bigint NOT NULL, host bytea NOT NULL)");
  }
  // The same of version 7.
  void ForgetBatches() {
    ForgetClaims();
    Run("ALTER TABLE closewrite.points DROP COLUMN count");
  }
  // The same of version 6.
  void ForgetNotes() {
    ForgetBatches();
    Run("DROP TABLE closewrite.notes");
    Run("DROP INDEX closewrite.history_failed_at");
  }
  // The same of version 5.
  void ForgetMonitoring() {
    ForgetNotes();
    Run("DROP TABLE closewrite.points, closewrite.increments, closewrite.loads,"
        " closewrite.executions");
  }
  static absl::Status Insert(Store* store, const std::string& key) {
    return store->Write([&](StoreTransaction& t) {
      t.InsertJob(SmallJob(key));
      return absl::OkStatus();
    });
  }

  PostgresServer* server_ = nullptr;
  std::string database_;
};

TEST_F(PostgresStoreTest, ServerThatIsNotThereIsNamedWithoutThePassword) {
  const absl::StatusOr<std::unique_ptr<PostgresStore>> store =
      PostgresStore::Open("postgresql://u:secret@/d?host=/nowhere", "id");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
  EXPECT_TRUE(absl::StrContains(store.status().message(), "postgresql://u@/nowhere:5432/d"));
  EXPECT_TRUE(absl::StrContains(store.status().message(), "check that PostgreSQL runs"));
  EXPECT_FALSE(absl::StrContains(store.status().message(), "secret")) << store.status();
}

TEST_F(PostgresStoreTest, SaysHowDurableItIs) {
  EXPECT_TRUE(
      absl::StrContains(OpenAs("postgres")->Durability(), ", synchronous_commit=on, fsync=off"));
  Run(absl::StrCat("ALTER DATABASE ", database_, " SET synchronous_commit = off"));
  EXPECT_TRUE(absl::StrContains(OpenAs("postgres")->Durability(), "synchronous_commit=off"));
}

TEST_F(PostgresStoreTest, ManyMayMakeTheSchemaAtOnce) {
  constexpr int kCoordinators = 6;
  std::vector<std::unique_ptr<PostgresStore>> stores(kCoordinators);
  std::vector<std::thread> threads;
  for (int i = 0; i < kCoordinators; ++i) {
    threads.emplace_back([&, i] { stores[i] = OpenAs("postgres", absl::StrCat(i)); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kCoordinators; ++i) {
    ASSERT_NE(stores[i], nullptr);
    EXPECT_TRUE(Insert(stores[i].get(), absl::StrCat(i)).ok());
  }
}

TEST_F(PostgresStoreTest, NewerSchemaIsRefusedAlsoLater) {
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  Run("UPDATE closewrite.schema_version SET version = 999, compatible = 999");
  ExpectRefused("postgres", {"version 999", "start the newer coordinator", database_});
  EXPECT_EQ(Insert(store.get(), "x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->Read([](StoreReader&) { return absl::OkStatus(); }).code(),
            absl::StatusCode::kFailedPrecondition);
}

// During a rolling update.
TEST_F(PostgresStoreTest, NewerSchemaThatIsCompatibleIsWorkedWith) {
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  Run(absl::StrCat("UPDATE closewrite.schema_version SET version = 999, compatible = ",
                   kPostgresSchemaVersion));
  EXPECT_TRUE(Insert(store.get(), "x").ok());
  EXPECT_TRUE(Insert(OpenAs("postgres", "later").get(), "y").ok());
  EXPECT_TRUE(store->Read([](StoreReader&) { return absl::OkStatus(); }).ok());
}

TEST_F(PostgresStoreTest, Version10SaysWhatItIsCompatibleWith) {
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "x").ok());
  ForgetCompatible();
  Run("UPDATE closewrite.schema_version SET version = 9");
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "y").ok());
  Run("UPDATE closewrite.schema_version SET version = 999");
  EXPECT_TRUE(Insert(OpenAs("postgres", "later").get(), "z").ok());
}

// Logs were bytes without records in version 3.
TEST_F(PostgresStoreTest, LogsOfAnOlderSchemaGoOn) {
  OpenAs("postgres") = nullptr;
  ForgetMonitoring();
  Run("DROP TABLE closewrite.logs, closewrite.log_totals");
  Run("ALTER TABLE closewrite.log_chunks DROP COLUMN format, DROP COLUMN bytes");
  Run("INSERT INTO closewrite.log_chunks(job_id, token, start, data)"
      " VALUES (7, 3, 0, 'one'), (7, 3, 3, 'two')");
  Run("UPDATE closewrite.schema_version SET version = 3");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  const Lease lease{JobId{7}, FencingToken{3}};
  std::string record;
  AppendLogRecord(1, LogStream::kStderr, "new", &record);
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.LogLength(lease), 6);
    EXPECT_EQ(t.AppendLog(lease, 6, record), 25);
    const LogPiece piece = ReadLogPiece(t, lease, 0, 1000);
    EXPECT_EQ(piece.parts.size(), 3u);
    EXPECT_EQ(piece.parts.front(), (LogPart{0, 0, LogStream::kStdout, "one"}));
    EXPECT_EQ(piece.parts.back(), (LogPart{6, 1, LogStream::kStderr, "new"}));
    const std::vector<OpenedLog> open = t.OpenLogs(Lease{}, 10);
    EXPECT_EQ(open.size(), 1u);
    if (!open.empty()) {
      EXPECT_EQ(open.front().log.lease, lease);
    }
    EXPECT_EQ(t.MeasureLog(lease).stored_bytes, 25);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(PostgresStoreTest, MonitoringBeginsWithVersion5) {
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "x").ok());
  ForgetMonitoring();
  Run("UPDATE closewrite.schema_version SET version = 4");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.FindJobByKey("x").has_value());
    t.AppendPoints(1, "line");
    t.PutIncrement({.job = "j", .value = 7});
    t.AppendLoad({.job = "j"});
    t.PutExecution({.id = "e"});
    EXPECT_EQ(t.GetPointRange(), (PointRange{1, 1}));
    EXPECT_EQ(t.ListIncrements("", {}, 10).size(), 1u);
    EXPECT_EQ(t.ListLoads({}, {}, 10).size(), 1u);
    EXPECT_EQ(t.ListExecutions({}, {}, 10).size(), 1u);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(PostgresStoreTest, AuditBeginsWithVersion9) {
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "x").ok());
  ForgetAudit();
  Run("UPDATE closewrite.schema_version SET version = 8");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  AuditEntry entry{.at = Second(5), .role = "admin", .service = "S", .method = "M"};
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_TRUE(t.FindJobByKey("x").has_value());
    EXPECT_TRUE(t.ListAudit({}, {}, 10).empty());
    t.AppendAudit(entry);
    entry.id = 1;
    EXPECT_EQ(t.ListAudit({}, {}, 10), std::vector<AuditEntry>{entry});
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(PostgresStoreTest, LocksOfVersion7AreHeldOn) {
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "x").ok());
  ForgetClaims();
  Run("INSERT INTO closewrite.locks VALUES ('picky-api', 41, 5000000, 'vm-b')");
  Run("UPDATE closewrite.schema_version SET version = 7");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    const std::vector<LockClaim> claims = t.ListClaims();
    EXPECT_EQ(claims.size(), 1u);
    if (claims.empty()) return absl::OkStatus();
    EXPECT_EQ(claims[0].lock, "picky-api");
    EXPECT_EQ(claims[0].holder, HolderOf(JobId{41}));
    EXPECT_EQ(claims[0].job, JobId{41});
    EXPECT_EQ(claims[0].host, "vm-b");
    EXPECT_TRUE(claims[0].held());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(PostgresStoreTest, PointsOfVersion6WaitOn) {
  EXPECT_TRUE(Insert(OpenAs("postgres").get(), "x").ok());
  ForgetBatches();
  Run("INSERT INTO closewrite.points(line) VALUES ('a'), ('b')");
  Run("UPDATE closewrite.schema_version SET version = 6");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    t.AppendPoints(2, "c\nd");
    EXPECT_EQ(t.ReadPoints(10),
              (std::vector<PointBatch>{{1, 1, "a"}, {2, 1, "b"}, {4, 2, "c\nd"}}));
    EXPECT_EQ(t.GetPointRange(), (PointRange{1, 4}));
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(PostgresStoreTest, NotesBeginWithVersion6) {
  Job job = SmallJob("x", JobState::kFailed);
  job.finished_at = Second(5);
  const absl::Status made = OpenAs("postgres")->Write([&](StoreTransaction& t) {
    job.id = t.InsertJob(job);
    return absl::OkStatus();
  });
  ASSERT_TRUE(made.ok()) << made;
  ForgetNotes();
  Run("UPDATE closewrite.schema_version SET version = 5");
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    EXPECT_EQ(t.CountNotes("k", 10), 0);
    t.PutNote("k", {"n", "value"});
    EXPECT_EQ(t.ListNotes("k", "", 10), (std::vector<Note>{{"n", "value"}}));
    EXPECT_EQ(t.ListFailed("p", Second(5), 10), std::vector<Job>{job});
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  const absl::StatusOr<PostgresResult> index =
      server_->Run(database_, "SELECT FROM pg_indexes WHERE indexname = 'history_failed_at'");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->rows(), 1);
}

TEST_F(PostgresStoreTest, OwnerOfTheDatabaseNeedsNothingElse) {
  Run("CREATE ROLE the_owner LOGIN");
  Run(absl::StrCat("ALTER DATABASE ", database_, " OWNER TO the_owner"));
  EXPECT_TRUE(Insert(OpenAs("the_owner").get(), "x").ok());
}

// As the record on this store says it: one role makes the tables, another one may only fill them.
TEST_F(PostgresStoreTest, RoleThatMayOnlyReadAndWriteRowsIsEnough) {
  Run("CREATE ROLE migrator LOGIN");
  Run("CREATE ROLE runner LOGIN");
  Run(absl::StrCat("ALTER DATABASE ", database_, " OWNER TO migrator"));
  ExpectRefused("runner", {"the schema closewrite is not there yet", "may make it"});
  OpenAs("migrator") = nullptr;
  ExpectRefused("runner", {"permission denied", "grant the role"});
  Run("GRANT USAGE ON SCHEMA closewrite TO runner");
  Run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA closewrite TO runner");
  Run("GRANT USAGE ON ALL SEQUENCES IN SCHEMA closewrite TO runner");
  const std::unique_ptr<PostgresStore> store = OpenAs("runner");
  const absl::Status everything = store->Write([](StoreTransaction& t) {
    t.PutPipeline({"p", 1, Second(1), ""});
    Job job = SmallJob("x");
    job.id = t.InsertJob(job);
    EXPECT_EQ(t.Claim({{"p", 1}}).size(), 1u);
    job.state = JobState::kSucceeded;
    t.UpdateJob(job);
    t.PutAttempt(FullAttempt(job.id, 1));
    t.AppendLog(Lease{job.id, FencingToken{1}}, 0, "log");
    const KeptLog log = t.OpenLogs(Lease{}, 1).front().log;
    t.SaveLog(log, t.MeasureLog(log.lease));
    t.ReplaceLogRows(log.lease, {.bytes = 3, .format = LogFormat::kLeftOut, .data = ""});
    t.InsertEvent(EventOfPath(1, "v", "f"));
    t.PutSession(FullSession("s"));
    t.PutWatcher(FullWatcher("h"));
    EXPECT_TRUE(t.MayGrantLocks());
    t.PutClaim({.lock = "l", .holder = "h"});
    t.EraseClaim("l", "h");
    t.EraseClaimsOf("h");
    EXPECT_TRUE(t.TakeTurn("d", Second(1), absl::Seconds(1)));
    t.RecordRequest("r", "answer", Second(1));
    t.ForgetRequests(Second(2));
    t.AppendPoints(1, "line");
    EXPECT_EQ(t.ErasePoints({t.GetPointRange().newest}), 1);
    t.PutIncrement({.job = "j"});
    t.AppendLoad({.job = "j"});
    EXPECT_EQ(t.PruneLoads(absl::InfiniteFuture(), 10), 1);
    t.PutExecution({.id = "e"});
    EXPECT_EQ(t.PruneExecutions(absl::InfiniteFuture(), 10), 1);
    t.PutNote("k", {"n", "value"});
    EXPECT_EQ(t.ListNotes("k", "", 10).size(), 1u);
    t.PutNote("k", {"n", "other"});
    EXPECT_EQ(t.ListNotes("k", "", 10).size(), 1u);
    t.EraseNote("k", "n");
    EXPECT_EQ(t.CountNotes("k", 10), 0);
    t.AppendAudit({.at = Second(1)});
    EXPECT_EQ(t.ListAudit({}, {}, 10).size(), 1u);
    EXPECT_EQ(t.PruneAudit(absl::InfiniteFuture(), 10), 1);
    t.Prune(absl::InfiniteFuture(), 10);
    t.DeletePipeline("p");
    return absl::OkStatus();
  });
  EXPECT_TRUE(everything.ok()) << everything;
  absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(server_->Url(database_, "runner"));
  absl::StatusOr<std::unique_ptr<PostgresConnection>> runner = PostgresConnection::Connect(*url);
  ASSERT_TRUE(runner.ok());
  for (const char* sql : {"DROP TABLE closewrite.jobs", "CREATE TABLE closewrite.x()",
                          "TRUNCATE closewrite.jobs", "CREATE SCHEMA x"}) {
    EXPECT_EQ((*runner)->Execute(sql).code(), absl::StatusCode::kFailedPrecondition) << sql;
  }
}

TEST_F(PostgresStoreTest, ErrorsOfTheServerBecomeOurs) {
  absl::StatusOr<PostgresUrl> url = ParsePostgresUrl(server_->Url(database_));
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection =
      PostgresConnection::Connect(*url);
  ASSERT_TRUE(connection.ok());
  for (const auto& [state, code] : std::vector<std::pair<std::string, absl::StatusCode>>{
           {"40001", absl::StatusCode::kAborted},
           {"40P01", absl::StatusCode::kAborted},
           {"55P03", absl::StatusCode::kAborted},
           {"23505", absl::StatusCode::kAborted},
           {"53100", absl::StatusCode::kResourceExhausted},
           {"53200", absl::StatusCode::kUnavailable},
           {"53300", absl::StatusCode::kUnavailable},
           {"57014", absl::StatusCode::kUnavailable},
           {"58030", absl::StatusCode::kUnavailable},
           {"42501", absl::StatusCode::kFailedPrecondition},
           {"26000", absl::StatusCode::kFailedPrecondition},
           {"XX001", absl::StatusCode::kDataLoss},
           {"42P01", absl::StatusCode::kInternal}}) {
    const absl::Status status =
        (*connection)
            ->Execute(absl::StrCat("DO $$ BEGIN RAISE EXCEPTION 'the reason' USING ERRCODE = '",
                                   state, "'; END $$"));
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("the reason (", state, ")")));
    EXPECT_FALSE((*connection)->broken());
  }
  // A demoted primary takes no writes; the next connection may find the new one.
  EXPECT_EQ((*connection)->Execute("BEGIN READ ONLY").code(), absl::StatusCode::kOk);
  EXPECT_EQ((*connection)->Execute("CREATE TABLE t()").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE((*connection)->broken());
}

TEST_F(PostgresStoreTest, FullDiskRollsBackAndTheNextWriteWorks) {
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  Run("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
      " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$");
  Run("CREATE TRIGGER full_disk BEFORE INSERT ON closewrite.jobs EXECUTE FUNCTION full_disk()");
  const absl::Status full = Insert(store.get(), "x");
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  Run("DROP TRIGGER full_disk ON closewrite.jobs");
  EXPECT_TRUE(Insert(store.get(), "x").ok());
}

// A row of ours may be removed while we are away for long.
TEST_F(PostgresStoreTest, CoordinatorThatWasForgottenComesBack) {
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  EXPECT_TRUE(Insert(store.get(), "x").ok());
  Run("DELETE FROM closewrite.coordinators");
  EXPECT_EQ(Insert(store.get(), "y").code(), absl::StatusCode::kAborted);
  const absl::Status again = Insert(store.get(), "y");
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(PostgresStoreTest, CoordinatorsRowGoesWithIt) {
  const auto rows = [&] {
    absl::StatusOr<PostgresResult> count =
        server_->Run(database_, "SELECT count(*) FROM closewrite.coordinators");
    return count.ok() ? PostgresRow(*count, 0).Int() : -1;
  };
  std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  EXPECT_EQ(rows(), 1);
  store = nullptr;
  EXPECT_EQ(rows(), 0);
}

// A paused coordinator must not hold up the others, nor go on where it was.
TEST_F(PostgresStoreTest, WriteThatWroteNothingMakesNoCommit) {
  const std::unique_ptr<PostgresStore> store = OpenAs("postgres");
  ASSERT_TRUE(Insert(store.get(), "x").ok());
  const auto commits = [&] {
    absl::StatusOr<PostgresResult> row =
        server_->Run(database_, "SELECT commits FROM closewrite.coordinators");
    return row.ok() ? PostgresRow(*row, 0).Int() : -1;
  };
  EXPECT_EQ(commits(), 1);
  ASSERT_TRUE(store
                  ->Write([](StoreTransaction& t) {
                    EXPECT_TRUE(t.FindJobByKey("x").has_value());
                    EXPECT_EQ(t.Claim({{"p", 5}}).size(), 1u);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(commits(), 1);
}

}  // namespace
}  // namespace closewrite
