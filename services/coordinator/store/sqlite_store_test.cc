#include "services/coordinator/store/sqlite_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_rows.h"
#include "services/coordinator/store/store_contract.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = absl::StrCat(testing::TempDir(), "sqlite_store_XXXXXX");
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file() const { return absl::StrCat(path_, "/c.db"); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::unique_ptr<SqliteStore> OpenOrDie(const std::string& path,
                                       const SqliteStoreOptions& options = {}) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path, options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

class SqliteUnderTest final : public StoreUnderTest {
 public:
  SqliteUnderTest() : store_(OpenOrDie(folder_.file())) {}
  Store* store() override { return store_.get(); }
  bool durable() const override { return true; }
  void Reopen() override {
    store_ = nullptr;
    store_ = OpenOrDie(folder_.file());
  }

 private:
  Folder folder_;
  std::unique_ptr<SqliteStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         testing::Values(StoreCase{
                             "File", [] { return std::make_unique<SqliteUnderTest>(); }}),
                         StoreCaseName);

absl::Status InsertJob(Store* store, const Job& job) {
  return store->Write([&](StoreTransaction& t) {
    t.InsertJob(job);
    return absl::OkStatus();
  });
}

int64_t CountJobs(Store* store) {
  int64_t count = -1;
  const absl::Status status = store->Read([&](StoreReader& r) {
    count = static_cast<int64_t>(r.ListJobs({}, JobId{}, 1000000).size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return count;
}

void ExpectRefused(const std::string& path, absl::StatusCode code, const std::string& words) {
  const absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.status().code(), code) << store.status();
  EXPECT_TRUE(absl::StrContains(store.status().message(), words)) << store.status();
  EXPECT_TRUE(absl::StrContains(store.status().message(), path)) << store.status();
}

TEST(SqliteStoreTest, SecondOpenerIsRefusedAndNamed) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ExpectRefused(folder.file(), absl::StatusCode::kFailedPrecondition,
                absl::StrCat("pid ", getpid(), ") holds the lock ", folder.file(), ".lock"));
  // By another name too.
  const std::string link = absl::StrCat(folder.path(), "/link.db");
  fs::create_symlink(folder.file(), link);
  const absl::StatusOr<std::unique_ptr<SqliteStore>> second = SqliteStore::Open(link);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  store = nullptr;
  EXPECT_NE(OpenOrDie(folder.file()), nullptr);
}

TEST(SqliteStoreTest, FolderThatIsNotThereIsNamed) {
  const Folder folder;
  ExpectRefused(absl::StrCat(folder.path(), "/not/there/c.db"), absl::StatusCode::kUnavailable,
                "make the folder");
  ExpectRefused(absl::StrCat(folder.path(), "/"), absl::StatusCode::kInvalidArgument, "no file");
}

TEST(SqliteStoreTest, FileThatIsNoDatabaseIsRefusedAndLeftAsItIs) {
  const Folder folder;
  const std::string text(9000, 'x');
  std::ofstream(folder.file()) << text;
  ExpectRefused(folder.file(), absl::StatusCode::kDataLoss, "restore it from a backup");
  EXPECT_EQ(fs::file_size(folder.file()), text.size());
}

TEST(SqliteStoreTest, DamagedFileIsRefused) {
  const Folder folder;
  {
    std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(InsertJob(store.get(), SmallJob(absl::StrCat("job ", i))).ok());
    }
  }
  std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
  const int64_t size = static_cast<int64_t>(fs::file_size(folder.file()));
  for (int64_t page = 1; page < size / 4096; ++page) {
    file.seekp(page * 4096);
    file << std::string(200, '\x5a');
  }
  file.close();
  ExpectRefused(folder.file(), absl::StatusCode::kDataLoss, "restore it from a backup");
}

TEST(SqliteStoreTest, DatabaseOfAnotherProgramIsRefusedAndLeftAsItIs) {
  const Folder folder;
  {
    absl::StatusOr<std::unique_ptr<SqliteConnection>> other = SqliteConnection::Open(folder.file());
    ASSERT_TRUE(other.ok());
    ASSERT_TRUE((*other)->Execute("CREATE TABLE songs(title)").ok());
  }
  const uintmax_t size = fs::file_size(folder.file());
  ExpectRefused(folder.file(), absl::StatusCode::kFailedPrecondition, "another program");
  EXPECT_EQ(fs::file_size(folder.file()), size);
  EXPECT_FALSE(fs::exists(absl::StrCat(folder.file(), "-wal")));
}

TEST(SqliteStoreTest, NewerSchemaIsRefused) {
  const Folder folder;
  OpenOrDie(folder.file()) = nullptr;
  {
    absl::StatusOr<std::unique_ptr<SqliteConnection>> newer = SqliteConnection::Open(folder.file());
    ASSERT_TRUE(newer.ok());
    ASSERT_TRUE((*newer)->Execute("PRAGMA user_version = 999").ok());
  }
  ExpectRefused(folder.file(), absl::StatusCode::kFailedPrecondition, "schema version 999");
}

TEST(SqliteStoreTest, StoreOfVersion1KeepsWhatItHas) {
  const Folder folder;
  Job job = FullJob("key");
  EventRecord event = FullEvent("ledger", 7);
  {
    std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
    ASSERT_TRUE(store
                    ->Write([&](StoreTransaction& t) {
                      job.id = t.InsertJob(job);
                      event.id = t.InsertEvent(event);
                      return absl::OkStatus();
                    })
                    .ok());
  }
  {
    absl::StatusOr<std::unique_ptr<SqliteConnection>> older = SqliteConnection::Open(folder.file());
    ASSERT_TRUE(older.ok());
    const absl::Status undone = (*older)->Execute(
        "DROP TABLE sessions; DROP TABLE watchers; DROP TABLE locks; DROP TABLE turns;"
        "DROP TABLE versions; DROP INDEX jobs_by_session; DROP INDEX jobs_finished;"
        "DROP INDEX jobs_lineage; DROP INDEX jobs_live_events; DROP INDEX events_by_receipt;"
        "DROP INDEX jobs_available; ALTER TABLE jobs DROP COLUMN pid;"
        "ALTER TABLE jobs DROP COLUMN rank;"
        "CREATE INDEX jobs_available ON jobs(pipeline) WHERE state = 2;"
        "ALTER TABLE jobs DROP COLUMN caused_by_job; ALTER TABLE events DROP COLUMN caused_by_job;"
        "PRAGMA user_version = 1");
    ASSERT_TRUE(undone.ok()) << undone;
  }
  job.caused_by_job = 0;
  job.pid = 0;
  job.priority = 0;
  event.event.caused_by_job = 0;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const absl::Status status = store->Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetJob(job.id), job);
    EXPECT_EQ(r.LatestEvent(event.event.file.volume, event.event.file.path), event);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(SqliteStoreTest, FullDiskRollsBackAndTheNextWriteWorks) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file(), {.pages_max = 200});
  ASSERT_TRUE(InsertJob(store.get(), SmallJob("before")).ok());
  Job large = SmallJob("large");
  large.message = std::string(2 << 20, 'm');
  for (int round = 0; round < 3; ++round) {
    const absl::Status status = store->Write([&](StoreTransaction& t) {
      t.InsertJob(SmallJob("with it"));
      EXPECT_EQ(t.InsertJob(large), JobId{});
      EXPECT_EQ(t.InsertJob(SmallJob("after it")), JobId{});
      return absl::OkStatus();
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), "disk is full")) << status;
    EXPECT_EQ(CountJobs(store.get()), 1 + round);
    const absl::Status next = InsertJob(store.get(), SmallJob(absl::StrCat("next ", round)));
    EXPECT_TRUE(next.ok()) << next;
  }
  store = nullptr;
  store = OpenOrDie(folder.file());
  EXPECT_EQ(CountJobs(store.get()), 4);
  EXPECT_TRUE(InsertJob(store.get(), large).ok());
}

TEST(SqliteStoreTest, WriteThatWroteNothingLeavesTheFilesAlone) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(InsertJob(store.get(), SmallJob("x")).ok());
  const std::string wal = absl::StrCat(folder.file(), "-wal");
  const auto stat_of = [&] {
    struct stat st = {};
    EXPECT_EQ(stat(wal.c_str(), &st), 0);
    return absl::StrCat(st.st_size, " ", st.st_mtim.tv_sec, ".", st.st_mtim.tv_nsec);
  };
  const std::string before = stat_of();
  EXPECT_TRUE(store
                  ->Write([](StoreTransaction& t) {
                    t.Claim({{"p", 10}});
                    t.NextDue(absl::InfiniteFuture(), 10);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(stat_of(), before);
}

TEST(SqliteStoreTest, ReadKeepsItsStateWhileOthersCommit) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const absl::Status status = store->Read([&](StoreReader& r) {
    EXPECT_EQ(r.CountUnfinished("p"), 0);
    EXPECT_TRUE(InsertJob(store.get(), SmallJob("x")).ok());
    EXPECT_EQ(r.CountUnfinished("p"), 0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(CountJobs(store.get()), 1);
}

TEST(SqliteStoreTest, NewFilesArePrivate) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(InsertJob(store.get(), SmallJob("x")).ok());
  for (const char* suffix : {"", "-wal", ".lock"}) {
    struct stat st = {};
    ASSERT_EQ(stat(absl::StrCat(folder.file(), suffix).c_str(), &st), 0) << suffix;
    EXPECT_EQ(st.st_mode & 0777, 0600u) << suffix;
  }
}

TEST(SqliteStoreTest, DurabilityIsWhatItSays) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  EXPECT_EQ(store->Durability(), "sqlite, WAL, synchronous=FULL");
  EXPECT_TRUE(fs::exists(absl::StrCat(folder.file(), "-wal")));
}

// Runs every method, so that every statement is prepared.
absl::Status UseEverything(SqliteStore* store) {
  std::vector<JobFilter> filters(5);
  for (int state = 1; state <= 8; ++state) filters[1].states.push_back(JobState{state});
  filters[2].ids = {JobId{1}};
  filters[3].input_volume = "v";
  filters[3].input_path = "f";
  filters[4].output_volume = "out";
  const Lease lease{JobId{1}, FencingToken{1}};
  absl::Status status = store->Write([&](StoreTransaction& t) {
    Job job = SmallJob("x");
    job.id = t.InsertJob(job);
    t.UpdateJob(job);
    job.key = "y";
    t.UpdateJob(job);
    t.FindJobByKey("y");
    t.FindUnfinished("p", "v", "f");
    t.Claim({{"p", 1}});
    t.NextDue(Second(1), 1);
    t.EarliestDue();
    t.Followers(job.id);
    t.PutAttempt(FullAttempt(lease.job, lease.token.value));
    t.AppendLog(lease, 0, "log");
    t.InsertEvent(EventOfPath(1, "v", "f"));
    t.PutPipeline({});
    t.DeletePipeline("");
    t.FindRequest("r");
    t.RecordRequest("r", "", Second(1));
    t.ForgetRequests(Second(1));
    t.PutSession({.id = "s"});
    t.FindSession("s");
    t.ExpiredSessions(Second(1), 10);
    t.EraseSession("s");
    t.PutWatcher({.host = "h"});
    t.FindWatcher("h");
    t.PutLock({.lock = "l"});
    t.EraseLocksOf(JobId{1});
    t.TakeTurn("duty", Second(1), absl::Seconds(1));
    t.Prune(Second(1), 10);
    return absl::OkStatus();
  });
  status.Update(store->Read([&](StoreReader& r) {
    for (const JobFilter& filter : filters) r.ListJobs(filter, JobId{}, 1);
    r.CountUnfinished("p");
    r.CountAvailableBefore(SmallJob("x"), 10);
    r.LeasesOf("s");
    r.LogLength(lease);
    r.PipelinesVersion();
    r.ListSessions();
    r.ListWatchers();
    r.ListLocks();
    r.ListAttempts(lease.job);
    r.GetAttempt(lease);
    r.ReadLog(lease, 0, 10);
    r.ListPipelines();
    r.ListEvents("", "", 0, 10);
    r.ListEvents("v", "f", 0, 10);
    r.JobsOfEvent(1);
    r.LatestEvent("v", "f");
    return absl::OkStatus();
  }));
  return status;
}

// However long the writes go on, the log begins anew now and then; a reader that stays only puts
// that off.
TEST(SqliteStoreTest, TheLogStaysShortWhileWritesGoOn) {
  const Folder folder;
  constexpr int64_t kPagesMax = 64;
  std::unique_ptr<SqliteStore> store =
      OpenOrDie(folder.file(),
                {.checkpoints = {.pages_begin = 16, .pages_max = kPagesMax, .pages_limit = 256}});
  const auto log_bytes = [&] {
    struct stat info;
    return stat((folder.file() + "-wal").c_str(), &info) == 0 ? int64_t{info.st_size} : 0;
  };
  Job job = SmallJob("x");
  job.message = std::string(20000, 'm');
  int64_t written = 0;
  for (int i = 0; i < 2000; ++i) {
    job.key = absl::StrCat("job ", i);
    ASSERT_TRUE(InsertJob(store.get(), job).ok());
    written += static_cast<int64_t>(job.message.size());
  }
  EXPECT_GT(written, int64_t{30} << 20);
  EXPECT_LT(log_bytes(), int64_t{16} << 20);
  EXPECT_EQ(CountJobs(store.get()), 2000);
}

TEST(SqliteStoreTest, EveryStatementFollowsAnIndex) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const absl::Status status = UseEverything(store.get());
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
    if (absl::StrContains(sql, " FROM sessions ") && !absl::StrContains(sql, "id = ?")) continue;
    if (absl::StrContains(sql, " FROM watchers ORDER BY host")) continue;
    if (absl::StrContains(sql, "FROM locks")) continue;
    if (absl::StrContains(sql, "SELECT due_at")) continue;
    const absl::StatusOr<std::vector<std::string>> plan = (*explainer)->QueryPlan(sql);
    ASSERT_TRUE(plan.ok()) << plan.status();
    for (const std::string& step : *plan) {
      if (step == "SCAN (subquery-1)") continue;  // counts what the index gave
      EXPECT_FALSE(absl::StrContains(step, "SCAN")) << sql << "\n" << step;
      EXPECT_FALSE(absl::StrContains(step, "TEMP B-TREE")) << sql << "\n" << step;
      EXPECT_FALSE(absl::StrContains(step, "AUTOMATIC")) << sql << "\n" << step;
    }
    ++explained;
  }
  EXPECT_GE(explained, 35);
}

// The index that each of the hottest queries is meant for.
TEST(SqliteStoreTest, HotQueriesFollowTheirOwnIndex) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(UseEverything(store.get()).ok());
  absl::StatusOr<std::unique_ptr<SqliteConnection>> explainer =
      SqliteConnection::Open(folder.file());
  ASSERT_TRUE(explainer.ok());
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"WHERE state = 2 AND pipeline = ? ORDER BY rank, id", "jobs_available (pipeline=?)"},
      {"WHERE state = 3 AND session = ?", "jobs_by_session (session=?)"},
      {"AND after_id = 0 AND due_at <= ?", "jobs_due (due_at<?)"},
      {"SELECT due_at", "jobs_due"},
      {"WHERE key = ?", "jobs_by_key (key=?)"},
      {"WHERE after_id = ?", "jobs_after (after_id=?)"},
      {"WHERE event_id = ?", "jobs_by_event (event_id=?)"},
      {"WHERE finished = 0 AND pipeline = ? AND input_volume = ?",
       "jobs_unfinished (pipeline=? AND input_volume=? AND input_path=?)"},
      {"count(*) FROM jobs INDEXED BY jobs_unfinished", "jobs_unfinished (pipeline=?)"},
      {"WHERE state = 4 AND id < ?1", "jobs_by_state (state=? AND rowid<?)"},
      {"WHERE input_volume = ?4 AND input_path = ?7",
       "jobs_by_path (input_volume=? AND input_path=? AND rowid<?)"},
      {"FROM events WHERE volume = ? AND path = ?", "events_by_path (volume=? AND path=?)"},
      {"WHERE id = ? AND pipeline = ?", "INTEGER PRIMARY KEY (rowid=?)"},
      {"offset <= ?", "log_chunks_by_offset (job_id=? AND token=? AND offset<?)"},
      {"WHERE recorded_at < ?", "requests_by_time (recorded_at<?)"},
  };
  for (const auto& [words, index] : expected) {
    int found = 0;
    for (const std::string& sql : store->PreparedSql()) {
      if (!absl::StrContains(sql, words)) continue;
      const absl::StatusOr<std::vector<std::string>> plan = (*explainer)->QueryPlan(sql);
      ASSERT_TRUE(plan.ok()) << plan.status();
      ASSERT_EQ(plan->size(), 1u) << sql;
      EXPECT_TRUE(absl::StrContains(plan->front(), index)) << sql << "\n" << plan->front();
      ++found;
    }
    EXPECT_GE(found, 1) << words;
  }
}

TEST(SqliteRowsTest, OutputsThatAreCutShortAreDataLoss) {
  const std::string bytes = EncodeOutputs({{"path", 5, std::string(32, 'h')}});
  EXPECT_EQ(DecodeOutputs(bytes)->size(), 1u);
  EXPECT_TRUE(DecodeOutputs("")->empty());
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeOutputs(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(DecodeOutputs(std::string(20, '\xff')).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SqliteStoreTest, DamagedRowFailsTheRead) {
  const Folder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(InsertJob(store.get(), SmallJob("x")).ok());
  absl::StatusOr<std::unique_ptr<SqliteConnection>> other = SqliteConnection::Open(folder.file());
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)->Execute("UPDATE jobs SET outputs = x'ff'").ok());
  const absl::Status status = store->Read([&](StoreReader& r) {
    EXPECT_EQ(r.GetJob(JobId{1}), std::nullopt);
    EXPECT_TRUE(r.ListJobs({}, JobId{}, 10).empty());
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

TEST(SqliteConnectionTest, StatementsInUseTwiceAreADefect) {
  const Folder folder;
  absl::StatusOr<std::unique_ptr<SqliteConnection>> connection =
      SqliteConnection::Open(folder.file());
  ASSERT_TRUE(connection.ok());
  absl::Status status;
  SqliteQuery first(connection->get(), "SELECT 1 UNION ALL SELECT 2", &status);
  EXPECT_TRUE(first.Step());
  SqliteQuery second(connection->get(), "SELECT 1 UNION ALL SELECT 2", &status);
  EXPECT_FALSE(second.Step());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(first.Step());  // sticky
}

}  // namespace
}  // namespace closewrite
