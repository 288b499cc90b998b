// On a full disk the ledger fails without losing anything, and goes on when there is space again.
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/ledger.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

class LedgerFullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mounted_ = mount("tmpfs", state_.path().c_str(), "tmpfs", 0, "size=24m") == 0;
    if (!mounted_) GTEST_SKIP() << "may not mount";
    Open();
  }
  void TearDown() override {
    ledger_.reset();
    if (mounted_) umount2(state_.path().c_str(), MNT_DETACH);
  }

  void Open() {
    ledger_.reset();
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(state_.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ledger_ = *std::move(ledger);
    volume_ = ledger_->FindVolume("v")->key;
  }
  // Leaves so many bytes.
  void FillDisk(int64_t left = 0) {
    const Fd fd(open(state_.Absolute("ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(4096, 'x');
    while (write(fd.get(), block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
    ASSERT_EQ(ftruncate(fd.get(), lseek(fd.get(), 0, SEEK_END) - left), 0);
  }
  void FreeDisk() { state_.Remove("ballast"); }
  std::vector<FileRecord> Rows(int64_t first, int64_t count, ChangeKind kind) const {
    std::vector<FileRecord> rows;
    for (int64_t number = first; number < first + count; ++number) {
      FileRecord row;
      row.path = StrCat("directory-", number / 100, "/measurement-", number);
      row.version = {1, number, 2};
      row.kind = kind;
      rows.push_back(std::move(row));
    }
    return rows;
  }
  absl::Status Record(int64_t first, int64_t count, ChangeKind kind = ChangeKind::kCloseWrite) {
    return ledger_->Record(volume_, Rows(first, count, kind));
  }
  int64_t CountPending() { return *ledger_->CountPending(volume_); }
  int64_t PendingRows() { return static_cast<int64_t>(ledger_->Pending(0, 1 << 20)->size()); }

  ScratchVolume state_;
  bool mounted_ = false;
  std::unique_ptr<Ledger> ledger_;
  int64_t volume_ = 0;
};

TEST_F(LedgerFullDiskTest, WhatCannotBeRecordedIsRecordedLater) {
  ASSERT_TRUE(Record(0, 1000).ok());
  FillDisk();
  const absl::Status full = Record(1000, 5000);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  // All that was recorded is there, and can be read.
  EXPECT_EQ(CountPending(), 1000);
  EXPECT_EQ(PendingRows(), 1000);
  EXPECT_TRUE((*ledger_->Find(volume_, "directory-9/measurement-999")).has_value());
  EXPECT_FALSE((*ledger_->Find(volume_, "directory-10/measurement-1000")).has_value());
  EXPECT_FALSE(Record(1000, 5000).ok());
  FreeDisk();
  const absl::Status freed = Record(1000, 5000);
  EXPECT_TRUE(freed.ok()) << freed;
  EXPECT_EQ(CountPending(), 6000);
  EXPECT_EQ(PendingRows(), 6000);
  EXPECT_EQ(ledger_->Numbers()->failed_commits, 2);
  Open();
  EXPECT_EQ(PendingRows(), 6000);
}

TEST_F(LedgerFullDiskTest, AcknowledgementsAndOrdersToo) {
  ASSERT_TRUE(Record(0, 3000).ok());
  ASSERT_TRUE(Record(0, 3000, ChangeKind::kDelete).ok());
  const int64_t newest = ledger_->sequence();
  FillDisk();
  // What still fits into the log that is there may go through; soon nothing does.
  absl::Status full;
  for (int64_t sequence = newest - 2999; sequence <= newest && full.ok(); ++sequence) {
    full = ledger_->Acknowledge(sequence);
  }
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  const int64_t acknowledged = ledger_->acknowledged();
  EXPECT_LT(acknowledged, newest);
  const int64_t left = std::min<int64_t>(3000, newest - acknowledged);
  EXPECT_EQ(PendingRows(), left);
  EXPECT_EQ(CountPending(), left);
  EXPECT_EQ(ledger_->BeginPublishing(7, 1, "v", {{"a", 1}}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(*ledger_->PublishingBegan(7, 1));
  FreeDisk();
  const absl::Status freed = ledger_->Acknowledge(newest);
  EXPECT_TRUE(freed.ok()) << freed;
  EXPECT_EQ(PendingRows(), 0);
  EXPECT_TRUE(ledger_->BeginPublishing(7, 1, "v", {{"a", 1}}).ok());
  Open();
  EXPECT_EQ(ledger_->acknowledged(), newest);
  EXPECT_EQ(PendingRows(), 0);
}

// Checkpoints, which copy the log into the file, need space of their own.
TEST_F(LedgerFullDiskTest, TheDiskFillsUpSlowlyManyTimes) {
  int64_t recorded = 0;
  for (const int64_t left_kib : {2000, 1000, 500, 100, 40, 8, 4}) {
    FillDisk(left_kib << 10);
    absl::Status status;
    while (true) {
      status = Record(recorded, 100);
      if (!status.ok()) break;
      recorded += 100;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(CountPending(), recorded);
    FreeDisk();
    status = Record(recorded, 100);
    ASSERT_TRUE(status.ok()) << left_kib << ": " << status;
    recorded += 100;
  }
  EXPECT_EQ(PendingRows(), recorded);
  Open();
  EXPECT_EQ(PendingRows(), recorded);
  ASSERT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
  EXPECT_EQ(PendingRows(), 0);
}

TEST_F(LedgerFullDiskTest, AStartOnAFullDiskSaysSo) {
  ASSERT_TRUE(Record(0, 1000).ok());
  ledger_.reset();
  FillDisk();
  const absl::Status full = Ledger::Open(state_.path()).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  FreeDisk();
  Open();
  EXPECT_EQ(PendingRows(), 1000);
}

}  // namespace
}  // namespace closewrite::watcher
