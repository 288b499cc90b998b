// A coordinator that is killed at any instruction loses no transaction that it acknowledged, and
// leaves no part of one that it did not.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/coordinator/store/sqlite_store.h"
#include "services/coordinator/store/store_samples.h"

namespace closewrite {
namespace {

constexpr int kRuns = 20;
constexpr int kJobsPerCommit = 5;
constexpr int kCommitsMax = 100000;  // of a child that nobody kills
constexpr int kDelayMicrosecondsMax = 20000;

// Commit number `n`: jobs, an event, an attempt with a log, and the number itself, which all come
// together or not at all. It also finishes the jobs of the commit before.
absl::Status Commit(Store* store, int64_t n) {
  return store->Write([&](StoreTransaction& t) {
    for (Job& job : t.Claim({{"p", kJobsPerCommit}})) {
      job.state = JobState::kSucceeded;
      t.UpdateJob(job);
    }
    JobId id;
    for (int i = 0; i < kJobsPerCommit; ++i) {
      Job job = SmallJob(absl::StrCat(n, "/", i));
      job.event_id = n;
      job.message = std::string(1000, 'm');
      id = t.InsertJob(job);
    }
    t.InsertEvent(EventOfPath(n, "v", "f"));
    t.PutAttempt(FullAttempt(id, 1));
    t.AppendLog(Lease{id, FencingToken{1}}, 0, std::string(5000, 'l'));
    t.PutPipeline({"p", static_cast<int>(n), Second(n), ""});
    return absl::OkStatus();
  });
}

// Lets the kernel kill this process with SIGKILL in `delay_us`, wherever it is then.
bool KillMeIn(int delay_us) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer;
  itimerspec when = {};
  when.it_value.tv_nsec = delay_us * 1000L;
  return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
         timer_settime(timer, 0, &when, nullptr) == 0;
}

// Commits from `first` on and reports each number after its commit, until it is killed some time
// after the first one.
[[noreturn]] void CommitUntilKilled(const std::string& path, int64_t first, int delay_us,
                                    int report) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
  if (!store.ok()) _exit(3);
  for (int64_t n = first; n < first + kCommitsMax; ++n) {
    if (!Commit(store->get(), n).ok()) _exit(4);
    if (write(report, &n, sizeof(n)) != sizeof(n)) _exit(5);
    if (n == first && !KillMeIn(delay_us)) _exit(6);
  }
  _exit(7);
}

// Runs the above in a child; the last commit that it reported.
int64_t CommitAndKill(const std::string& path, int64_t first, int delay_us) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    CommitUntilKilled(path, first, delay_us, ends[1]);
  }
  close(ends[1]);
  int64_t reported = -1;
  int64_t number = 0;
  while (read(ends[0], &number, sizeof(number)) == sizeof(number)) reported = number;
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the child ended by itself: " << status;
  return reported;
}

// The number of the last commit that is there, after checking that all of each commit is.
int64_t CheckWhole(Store* store) {
  int64_t last = 0;
  const absl::Status status = store->Read([&](StoreReader& r) {
    const std::vector<StoredPipeline> pipelines = r.ListPipelines();
    if (!pipelines.empty()) last = pipelines.front().version;
    EXPECT_EQ(static_cast<int64_t>(r.ListEvents("v", "f", 0, kCommitsMax).size()), last);
    for (int64_t n = 1; n <= last; ++n) {
      const std::vector<JobId> ids = r.JobsOfEvent(n);
      EXPECT_EQ(ids.size(), static_cast<size_t>(kJobsPerCommit)) << "commit " << n;
      if (ids.empty()) continue;
      EXPECT_EQ(r.LogLength(Lease{ids.back(), FencingToken{1}}), 5000);
      for (const JobId id : ids) {
        EXPECT_EQ(r.GetJob(id)->state, n == last ? JobState::kAvailable : JobState::kSucceeded);
      }
    }
    EXPECT_TRUE(r.JobsOfEvent(last + 1).empty());
    EXPECT_EQ(r.CountUnfinished("p"), last == 0 ? 0 : kJobsPerCommit);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return last;
}

TEST(SqliteCrashTest, KilledInMidCommitLeavesWholeTransactions) {
  std::string folder = absl::StrCat(testing::TempDir(), "sqlite_crash_XXXXXX");
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = absl::StrCat(folder, "/c.db");
  const uint32_t seed = std::random_device()();
  RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> delay_us(1, kDelayMicrosecondsMax);
  int64_t last = 0;
  for (int run = 0; run < kRuns && !testing::Test::HasFailure(); ++run) {
    const int64_t reported = CommitAndKill(path, last + 1, delay_us(random));
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path);
    ASSERT_TRUE(store.ok()) << store.status();
    last = CheckWhole(store->get());
    EXPECT_GE(last, reported) << "an acknowledged commit is lost";
    EXPECT_LE(last, reported + 1);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace closewrite
