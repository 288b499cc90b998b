#include "services/watcher/pending_files.h"

#include "gtest/gtest.h"

namespace closewrite::watcher {
namespace {

constexpr size_t kAll = 1000;
const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(PendingFilesTest, WrittenBacksOffUpToAMinute) {
  PendingFiles files;
  absl::Time now = kStart;
  absl::Duration backoff;
  std::vector<int64_t> pauses;
  for (int i = 0; i < 17; ++i) {
    ASSERT_TRUE(files.Written("a", kCausedByMove, now, backoff));
    const absl::Time due = files.NextDue();
    pauses.push_back(absl::ToInt64Milliseconds(due - now));
    EXPECT_TRUE(files.TakeDue(due - absl::Nanoseconds(1), kAll).empty());
    const std::vector<PendingFile> taken = files.TakeDue(due, kAll);
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_EQ(taken[0].cause, kCausedByMove);
    backoff = taken[0].backoff;
    now = due;
  }
  EXPECT_EQ(pauses, (std::vector<int64_t>{2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                          8192, 16384, 32768, 60000, 60000}));
  EXPECT_EQ(files.size(), 0u);
}

TEST(PendingFilesTest, DeferKeepsTheFirstTimeAndTheNewestReason) {
  PendingFiles files;
  files.Defer("a", PendingReason::kAttrib, kStart + absl::Seconds(1));
  files.Defer("a", PendingReason::kAttrib, kStart + absl::Seconds(9));
  EXPECT_EQ(files.NextDue(), kStart + absl::Seconds(1));
  files.Defer("a", PendingReason::kLink, kStart + absl::Seconds(5));
  EXPECT_EQ(files.NextDue(), kStart + absl::Seconds(5));
  EXPECT_TRUE(files.Waits("a", PendingReason::kLink));
  EXPECT_FALSE(files.Waits("a", PendingReason::kAttrib));
  EXPECT_EQ(files.size(), 1u);
}

TEST(PendingFilesTest, ConfirmedComeWithTheirBarrier) {
  PendingFiles files;
  files.Defer("a", PendingReason::kAttrib, kStart);
  files.Defer("b", PendingReason::kAttrib, kStart);
  std::vector<PendingFile> due = files.TakeDue(kStart, kAll);
  ASSERT_EQ(due.size(), 2u);
  files.Confirm(due[0], {1, 2, 3}, 7);
  files.Confirm(due[1], {4, 5, 6}, 8);
  EXPECT_EQ(files.NextDue(), absl::InfiniteFuture());
  EXPECT_TRUE(files.TakeConfirmed(6).empty());
  const std::vector<PendingFile> confirmed = files.TakeConfirmed(7);
  ASSERT_EQ(confirmed.size(), 1u);
  EXPECT_EQ(confirmed[0].version, (ContentVersion{1, 2, 3}));
  files.Erase("b");  // a close came after all
  EXPECT_TRUE(files.TakeConfirmed(9).empty());
}

TEST(PendingFilesTest, BarrierOfAFlushWaitsForShortEntriesOnly) {
  PendingFiles files;
  files.Written("w", kCausedByClose, kStart, absl::ZeroDuration());
  EXPECT_FALSE(files.AnyBefore(files.next_order()));
  files.Defer("a", PendingReason::kLink, kStart);
  const int64_t order = files.next_order();
  files.Defer("b", PendingReason::kLink, kStart);
  EXPECT_TRUE(files.AnyBefore(order));
  std::vector<PendingFile> due = files.TakeDue(kStart, 1);
  files.Confirm(due[0], {}, 1);
  EXPECT_TRUE(files.AnyBefore(order)) << "it keeps its place while it is confirmed";
  files.Erase("a");
  EXPECT_FALSE(files.AnyBefore(order));
  files.Clear();
  EXPECT_EQ(files.NextDue(), absl::InfiniteFuture());
}

TEST(PendingFilesTest, Bounded) {
  PendingFiles files;
  for (size_t i = 0; i < kPendingFilesMax; ++i) {
    ASSERT_TRUE(files.Defer(std::to_string(i), PendingReason::kLink, kStart));
  }
  EXPECT_FALSE(files.Defer("more", PendingReason::kLink, kStart));
  EXPECT_TRUE(files.Defer("1", PendingReason::kAttrib, kStart));
}

}  // namespace
}  // namespace closewrite::watcher
