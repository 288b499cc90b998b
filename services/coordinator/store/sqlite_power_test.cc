// Whatever a disk forgets when the power goes, no commit that was acknowledged is lost; and a disk
// that is full loses nothing either.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/power_vfs.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"
#include "services/coordinator/store/test_folder.h"

namespace closewrite {
namespace {

constexpr int kStores = 20;  // that are made anew
constexpr int kCutsPerStore = 15;
constexpr int kJobsPerCommit = 3;
constexpr double kOperationsMax = 900;  // between two cuts; making a store takes about 150
constexpr int64_t kMany = int64_t{1} << 40;

uint32_t NewSeed() {
  const uint32_t seed = std::random_device()();
  testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

// The log is copied into the file every few commits.
absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path) {
  return SqliteStore::Open(path,
                           {.checkpoints = {.pages_begin = 10, .pages_max = 40, .pages_limit = 200},
                            .vfs = PowerVfs::kName});
}

// Commit number `n`: what it says comes together or not at all. It also finishes the jobs of the
// commit before.
absl::Status Commit(Store* store, int64_t n) {
  return store->Write([&](StoreTransaction& t) {
    for (Job& job : t.Claim({{"p", kJobsPerCommit}})) {
      job.state = JobState::kSucceeded;
      t.UpdateJob(job);
    }
    for (int i = 0; i < kJobsPerCommit; ++i) {
      Job job = SmallJob(absl::StrCat(n, "/", i));
      job.event_id = n;
      job.message = std::string(static_cast<size_t>(n % 7) * 500, 'm');
      t.InsertJob(job);
    }
    t.InsertEvent(EventOfPath(n, "v", absl::StrCat("f", n % 5)));
    t.PutPipeline({"p", static_cast<int>(n), Second(n), ""});
    return absl::OkStatus();
  });
}

// The number of the last commit that is there, after checking that all of each commit is.
int64_t CheckWhole(Store* store) {
  int64_t last = 0;
  const absl::Status status = store->Read([&](StoreReader& r) {
    const std::vector<StoredPipeline> pipelines = r.ListPipelines();
    if (!pipelines.empty()) last = pipelines.front().version;
    const std::vector<EventRecord> events = r.ListEvents("", "", 0, kMany);
    EXPECT_EQ(static_cast<int64_t>(events.size()), last);
    const std::vector<Job> jobs = r.ListJobs({}, JobId{}, kMany);
    EXPECT_EQ(static_cast<int64_t>(jobs.size()), last * kJobsPerCommit);
    for (size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_EQ(jobs[i].event_id, last - static_cast<int64_t>(i) / kJobsPerCommit);
      EXPECT_EQ(jobs[i].state, i < kJobsPerCommit ? JobState::kAvailable : JobState::kSucceeded);
    }
    EXPECT_EQ(r.CountUnfinished("p"), last == 0 ? 0 : kJobsPerCommit);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return last;
}

struct Commits {
  int64_t acknowledged = 0;  // before the power went
  int64_t tried = 0;
};

// Commits until the power goes, after a random number of operations: often few, so that it goes
// while a store is made or opened.
Commits CommitUntilCut(PowerVfs* vfs, Store* store, int64_t last) {
  Commits commits{last, last};
  while (!vfs->cut()) {
    const absl::Status status = Commit(store, ++commits.tried);
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) break;
    if (!vfs->cut()) commits.acknowledged = commits.tried;
  }
  return commits;
}

int64_t Operations(std::mt19937* random) {
  return std::llround(
      std::exp(std::uniform_real_distribution<double>(0, std::log(kOperationsMax))(*random)));
}

TEST(SqlitePowerTest, AcknowledgedCommitsOutliveAPowerCut) {
  const uint32_t seed = NewSeed();
  std::mt19937 random(seed);
  PowerVfs vfs;
  int64_t acknowledged = 0;
  for (int i = 0; i < kStores && !HasFailure(); ++i) {
    const TestFolder folder;
    Commits before;
    for (int cut = 0; cut < kCutsPerStore && !HasFailure(); ++cut) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", store ", i, ", cut ", cut));
      vfs.CutAfter(Operations(&random));
      absl::StatusOr<std::unique_ptr<SqliteStore>> store = Open(folder.file());
      ASSERT_TRUE(store.ok()) << store.status();  // it was checked then
      const int64_t last = CheckWhole(store->get());
      EXPECT_GE(last, before.acknowledged) << "an acknowledged commit is lost";
      EXPECT_LE(last, before.tried);
      before = CommitUntilCut(&vfs, store->get(), last);
      acknowledged += before.acknowledged - last;
      *store = nullptr;
      vfs.LeaveWhatTheDiskHolds(&random);
    }
  }
  EXPECT_GT(acknowledged, kStores * kCutsPerStore);
}

// The test above can fail: a store whose syncs do nothing loses what it acknowledged.
TEST(SqlitePowerTest, CommitsThatAreNotSyncedAreLost) {
  const uint32_t seed = NewSeed();
  std::mt19937 random(seed);
  PowerVfs vfs;
  vfs.IgnoreLogSyncs();
  int lost = 0;
  for (int i = 0; i < kStores; ++i) {
    const TestFolder folder;
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = Open(folder.file());
    ASSERT_TRUE(store.ok()) << store.status();
    vfs.CutAfter(1 + static_cast<int64_t>(random() % 300));
    const Commits commits = CommitUntilCut(&vfs, store->get(), 0);
    *store = nullptr;
    vfs.LeaveWhatTheDiskHolds(&random);
    store = Open(folder.file());
    int64_t last = 0;
    if (store.ok()) {
      const absl::Status status = (*store)->Read([&](StoreReader& r) {
        last = static_cast<int64_t>(r.ListEvents("", "", 0, kMany).size());
        return absl::OkStatus();
      });
    }
    lost += !store.ok() || last < commits.acknowledged ? 1 : 0;
    if (store.ok()) *store = nullptr;
    vfs.LeaveWhatTheDiskHolds(&random);
  }
  EXPECT_GT(lost, 0) << "seed " << seed;
  RecordProperty("stores_that_lost", lost);
}

// A disk that is full at any byte: the commit fails as a whole and says why, reads go on, and with
// room again the same store works.
TEST(SqlitePowerTest, FullDiskLosesNothing) {
  const uint32_t seed = NewSeed();
  std::mt19937 random(seed);
  PowerVfs vfs;
  const TestFolder folder;
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = Open(folder.file());
  ASSERT_TRUE(store.ok()) << store.status();
  int64_t last = 0;
  int refused = 0;
  for (int round = 0; round < 200 && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", round ", round));
    vfs.FillAfter(static_cast<int64_t>(random() % (200 << 10)));
    absl::Status status;
    while (status.ok()) {
      status = Commit(store->get(), last + 1);
      if (status.ok()) ++last;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(Commit(store->get(), last + 1).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(CheckWhole(store->get()), last);
    ++refused;
    vfs.Heal();
    status = Commit(store->get(), last + 1);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(CheckWhole(store->get()), ++last);
  }
  EXPECT_EQ(refused, 200);
  *store = nullptr;
  store = Open(folder.file());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(CheckWhole(store->get()), last);
}

}  // namespace
}  // namespace closewrite
