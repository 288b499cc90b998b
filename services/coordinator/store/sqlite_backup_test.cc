// Copies of a store that is written to meanwhile.
#include "services/coordinator/store/sqlite_backup.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"
#include "services/coordinator/store/test_folder.h"

namespace closewrite {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMany = int64_t{1} << 40;

std::unique_ptr<SqliteStore> OpenOrDie(const std::string& path) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

// Event number `n` and its job, whose state follows that of the job before.
absl::Status Commit(Store* store, int64_t n) {
  return store->Write([&](StoreTransaction& t) {
    EventRecord event = EventOfPath(n, "in", absl::StrCat("file ", n));
    event.id = t.InsertEvent(event);
    Job job = SmallJob(absl::StrCat("file ", n));
    job.event_id = event.id;
    job.message = std::string(2000, 'm');
    t.InsertJob(job);
    for (Job& before : t.Claim({{"p", 1}})) {
      before.state = JobState::kSucceeded;
      t.UpdateJob(before);
    }
    return absl::OkStatus();
  });
}

// How many commits a store has, each of which it must have as a whole.
int64_t CheckWhole(Store* store) {
  int64_t commits = -1;
  const absl::Status status = store->Read([&](StoreReader& r) {
    const std::vector<Job> jobs = r.ListJobs({}, JobId{}, kMany);
    const std::vector<EventRecord> events = r.ListEvents("", "", 0, kMany);
    EXPECT_EQ(jobs.size(), events.size());
    for (size_t i = 0; i < std::min(jobs.size(), events.size()); ++i) {
      EXPECT_EQ(jobs[i].event_id, events[i].id);
      EXPECT_EQ(jobs[i].input.path, events[i].event.file.path);
      EXPECT_EQ(jobs[i].state, JobState::kSucceeded);
    }
    EXPECT_EQ(r.CountUnfinished("p"), 0);
    commits = static_cast<int64_t>(events.size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return commits;
}

TEST(SqliteBackupTest, CopyOfAStoreInUseIsWhole) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  std::atomic<int64_t> committed = 0;
  for (; committed < 300; ++committed) ASSERT_TRUE(Commit(store.get(), committed).ok());
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop && committed < 100000) {
      ASSERT_TRUE(Commit(store.get(), committed).ok());
      ++committed;
    }
  });
  for (int round = 0; round < 10; ++round) {
    const std::string copy = absl::StrCat(folder.path(), "/copy", round);
    const int64_t before = committed;
    const absl::Status status = CopySqliteStore(folder.file(), copy);
    const int64_t after = committed;
    ASSERT_TRUE(status.ok()) << status;
    const std::unique_ptr<SqliteStore> copied = OpenOrDie(copy);
    ASSERT_NE(copied, nullptr);
    const int64_t commits = CheckWhole(copied.get());
    EXPECT_GE(commits, before);
    EXPECT_LE(commits, after + 1);
    // It is a store like any other.
    EXPECT_TRUE(Commit(copied.get(), commits).ok());
    EXPECT_EQ(CheckWhole(copied.get()), commits + 1);
  }
  stop = true;
  writer.join();
  EXPECT_EQ(CheckWhole(store.get()), committed);
}

TEST(SqliteBackupTest, CopyIsPrivateAndAloneInItsFolder) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  ASSERT_TRUE(Commit(store.get(), 1).ok());
  const std::string backups = absl::StrCat(folder.path(), "/backups");
  fs::create_directory(backups);
  const std::string copy = absl::StrCat(backups, "/copy");
  // A copy that was cut off is in nobody's way.
  std::ofstream(absl::StrCat(copy, ".part")) << "half a copy";
  const absl::Status status = CopySqliteStore(folder.file(), copy);
  ASSERT_TRUE(status.ok()) << status;
  struct stat info = {};
  ASSERT_EQ(stat(copy.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(fs::directory_iterator(backups), fs::directory_iterator()), 1);
}

TEST(SqliteBackupTest, NothingIsOverwritten) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const std::string copy = absl::StrCat(folder.path(), "/copy");
  std::ofstream(copy) << "mine";
  EXPECT_EQ(CopySqliteStore(folder.file(), copy).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(fs::file_size(copy), 4u);
  EXPECT_EQ(CopySqliteStore(folder.file(), folder.file()).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CopySqliteStore(folder.file(), absl::StrCat(folder.path(), "/not/there")).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Commit(store.get(), 1).ok());
}

// A coordinator that was told to stop copied on, and so did the program after Ctrl-C.
TEST(SqliteBackupTest, CopyIsGivenUpWhenItIsToBe) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  for (int64_t n = 0; n < 500; ++n) ASSERT_TRUE(Commit(store.get(), n).ok());
  const std::string copy = absl::StrCat(folder.path(), "/copy");
  int pieces = 0;
  EXPECT_EQ(CopySqliteStore(folder.file(), copy, [&] { return ++pieces < 2; }).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(pieces, 2);
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_FALSE(fs::exists(absl::StrCat(copy, ".part")));
  // Commits between the pieces do not make it begin anew, and are not in it.
  pieces = 0;
  const absl::Status status = CopySqliteStore(folder.file(), copy, [&] {
    EXPECT_TRUE(Commit(store.get(), 1000 + pieces++).ok());
    return pieces < 1000;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GT(pieces, 2);
  EXPECT_EQ(CheckWhole(OpenOrDie(copy).get()), 500);
}

TEST(SqliteBackupTest, ADiskWithoutRoomIsToldBeforeItIsFull) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  for (int64_t n = 0; n < 500; ++n) ASSERT_TRUE(Commit(store.get(), n).ok());
  const std::string small = absl::StrCat(folder.path(), "/small");
  fs::create_directory(small);
  if (mount("none", small.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP();
  const absl::Status status = CopySqliteStore(folder.file(), absl::StrCat(small, "/copy"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("free some space there"), absl::string_view::npos) << status;
  EXPECT_TRUE(fs::is_empty(small));
  umount(small.c_str());
}

TEST(SqliteBackupTest, CopyThatCannotBeMadeLeavesNoName) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const std::string copy = absl::StrCat(folder.path(), "/copy");
  fs::create_directory(absl::StrCat(copy, ".part"));
  EXPECT_EQ(CopySqliteStore(folder.file(), copy).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(fs::exists(copy));
}

TEST(SqliteBackupTest, NumbersGivenSinceAreNotGivenAgain) {
  const TestFolder folder;
  std::unique_ptr<SqliteStore> store = OpenOrDie(folder.file());
  const auto insert = [](Store* store, const std::string& key) {
    JobId id;
    EXPECT_TRUE(store
                    ->Write([&](StoreTransaction& t) {
                      id = t.InsertJob(SmallJob(key));
                      return absl::OkStatus();
                    })
                    .ok());
    return id;
  };
  const auto token_of = [](Store* store, JobId id) {
    FencingToken token;
    EXPECT_TRUE(store
                    ->Read([&](StoreReader& r) {
                      token = r.GetJob(id)->token;
                      return absl::OkStatus();
                    })
                    .ok());
    return token;
  };
  const std::string empty = absl::StrCat(folder.path(), "/empty");
  ASSERT_TRUE(CopySqliteStore(folder.file(), empty).ok());
  const JobId waiting = insert(store.get(), "waits");
  const std::string copy = absl::StrCat(folder.path(), "/copy");
  ASSERT_TRUE(CopySqliteStore(folder.file(), copy).ok());
  const JobId since = insert(store.get(), "since");
  const std::unique_ptr<SqliteStore> copied = OpenOrDie(copy);
  EXPECT_GT(insert(copied.get(), "since"), JobId{since.value + 1000});
  EXPECT_GT(token_of(copied.get(), waiting),
            FencingToken{token_of(store.get(), waiting).value + 1000});
  EXPECT_GT(insert(OpenOrDie(empty).get(), "since"), JobId{since.value + 1000});
}

TEST(SqliteBackupTest, OnlyAStoreIsCopied) {
  const TestFolder folder;
  const std::string copy = absl::StrCat(folder.path(), "/copy");
  EXPECT_EQ(CopySqliteStore(folder.file(), copy).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(folder.file()));
  std::ofstream(folder.file()) << "no database at all, though it is long enough to be one";
  EXPECT_FALSE(CopySqliteStore(folder.file(), copy).ok());
  std::ofstream(folder.file(), std::ios::trunc).close();
  EXPECT_EQ(CopySqliteStore(folder.file(), copy).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(fs::exists(copy));
}

}  // namespace
}  // namespace closewrite
