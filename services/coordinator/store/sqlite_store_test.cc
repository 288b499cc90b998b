#include "services/coordinator/store/sqlite_store.h"

#include <gtest/gtest.h>
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
#include "services/clock/clock.h"
#include "services/coordinator/store/record_codec.h"
#include "services/coordinator/store/sqlite_connection.h"
#include "services/coordinator/store/sqlite_rows.h"
#include "services/coordinator/store/store_contract.h"
#include "services/coordinator/store/test_folder.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

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
  TestFolder folder_;
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
  const TestFolder folder;
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
  const TestFolder folder;
  ExpectRefused(absl::StrCat(folder.path(), "/not/there/c.db"), absl::StatusCode::kUnavailable,
                "make the folder");
  ExpectRefused(absl::StrCat(folder.path(), "/"), absl::StatusCode::kInvalidArgument, "no file");
}

TEST(SqliteStoreTest, FileThatIsNoDatabaseIsRefusedAndLeftAsItIs) {
  const TestFolder folder;
  const std::string text(9000, 'x');
  std::ofstream(folder.file()) << text;
  ExpectRefused(folder.file(), absl::StatusCode::kDataLoss, "restore it from a backup");
  EXPECT_EQ(fs::file_size(folder.file()), text.size());
}

constexpr int64_t kPageBytes = 4096;

void Damage(const std::string& path, int64_t first_page) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const int64_t size = static_cast<int64_t>(fs::file_size(path));
  for (int64_t page = first_page; page < size / kPageBytes; ++page) {
    file.seekp(page * kPageBytes);
    file << std::string(200, '\x5a');
  }
}

TEST(SqliteStoreTest, DamagedFileIsRefused) {
  const TestFolder folder;
  {
    std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(InsertJob(store.get(), SmallJob(absl::StrCat("job ", i))).ok());
    }
  }
  Damage(folder.file(), 1);
  ExpectRefused(folder.file(), absl::StatusCode::kDataLoss, "restore it from a backup");
}

// Reading millions of jobs takes long, and a coordinator that was killed is to be back at once.
TEST(SqliteStoreTest, LargeFileIsCheckedOnceWhileTheMachineRuns) {
  const TestFolder folder;
  const auto open = [&] {
    return SqliteStore::Open(folder.file(), {.checked_always_bytes_max = 0}).status();
  };
  OpenOrDie(folder.file()).reset();
  ASSERT_TRUE(open().ok());
  Damage(folder.file(), static_cast<int64_t>(fs::file_size(folder.file())) / kPageBytes - 1);
  EXPECT_TRUE(open().ok());

  // Another run of the kernel, another file of that name, nobody knows: each is checked.
  const std::string lock = folder.file() + ".lock";
  std::string note;
  std::ifstream noted(lock);
  std::getline(noted, note);
  std::getline(noted, note);
  ASSERT_NE(note.find(BootId()), std::string::npos);
  std::ofstream(lock) << "1\nchecked another-boot" << note.substr(note.rfind(' ')) << "\n";
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);  // and that was not noted as checked
  std::ofstream(lock) << "1\nchecked " << BootId() << " 1:1\n";
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);
  fs::remove(lock);
  EXPECT_EQ(open().code(), absl::StatusCode::kDataLoss);
  std::ofstream(lock) << "1\n" << note << "\n";
  EXPECT_TRUE(open().ok());
}

TEST(SqliteStoreTest, DatabaseOfAnotherProgramIsRefusedAndLeftAsItIs) {
  const TestFolder folder;
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
  const TestFolder folder;
  OpenOrDie(folder.file()) = nullptr;
  {
    absl::StatusOr<std::unique_ptr<SqliteConnection>> newer = SqliteConnection::Open(folder.file());
    ASSERT_TRUE(newer.ok());
    ASSERT_TRUE((*newer)->Execute("PRAGMA user_version = 999").ok());
  }
  ExpectRefused(folder.file(), absl::StatusCode::kFailedPrecondition, "schema version 999");
}

TEST(SqliteStoreTest, FullDiskRollsBackAndTheNextWriteWorks) {
  const TestFolder folder;
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
  const TestFolder folder;
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
  const TestFolder folder;
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
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(InsertJob(store.get(), SmallJob("x")).ok());
  for (const char* suffix : {"", "-wal", ".lock"}) {
    struct stat st = {};
    ASSERT_EQ(stat(absl::StrCat(folder.file(), suffix).c_str(), &st), 0) << suffix;
    EXPECT_EQ(st.st_mode & 0777, 0600u) << suffix;
  }
}

TEST(SqliteStoreTest, DurabilityIsWhatItSays) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  EXPECT_EQ(store->Durability(), "sqlite, WAL, synchronous=FULL");
  EXPECT_TRUE(fs::exists(absl::StrCat(folder.file(), "-wal")));
}

// However long the writes go on, the log begins anew now and then; a reader that stays only puts
// that off.
TEST(SqliteStoreTest, TheLogStaysShortWhileWritesGoOn) {
  const TestFolder folder;
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

int64_t Prune(Store* store, int64_t limit) {
  int64_t gone = -1;
  const absl::Status status = store->Write([&](StoreTransaction& t) {
    gone = t.Prune(absl::InfiniteFuture(), limit);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return gone;
}

int64_t CountFiles(const std::string& path) {
  absl::StatusOr<std::unique_ptr<SqliteConnection>> other = SqliteConnection::Open(path);
  if (!other.ok()) return -1;
  const absl::StatusOr<std::vector<std::string>> count =
      (*other)->QueryText("SELECT count(*) FROM files");
  return count.ok() ? std::stoll(count->front()) : -1;
}

// However many files are kept, one step looks at a few of them, and the steps come to an end.
TEST(SqliteStoreTest, PruneGoesThroughWhatIsKeptInSteps) {
  constexpr int64_t kFiles = 500;
  constexpr int64_t kLimit = 10;
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const auto insert = [&](int64_t sequence, int64_t file, EventKind kind) {
    const absl::Status status = store->Write([&](StoreTransaction& t) {
      EventRecord event = EventOfPath(sequence, "v", absl::StrCat("f", file));
      event.event.kind = kind;
      event.received_at = Second(sequence);
      EXPECT_NE(t.InsertEvent(event), 0);
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
  };
  for (int64_t i = 0; i < kFiles; ++i) insert(i, i, EventKind::kCloseWrite);
  int64_t steps = 0;
  while (Prune(store.get(), kLimit) == 1) ++steps;
  EXPECT_GE(steps, 5);
  EXPECT_LT(steps, kFiles / kLimit);
  EXPECT_EQ(CountFiles(folder.file()), kFiles);
  // A file behind all that are kept goes with its row: first the event that said it is there, and
  // when the rows are looked through the next time the one that says it is gone.
  insert(kFiles, kFiles - 1, EventKind::kDelete);
  for (int time = 0; time < 2; ++time) {
    while (Prune(store.get(), kLimit) > 0) {
    }
  }
  EXPECT_EQ(CountFiles(folder.file()), kFiles - 1);
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
  const TestFolder folder;
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
  const TestFolder folder;
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
