#include "services/watcher/ledger.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileRecord Row(std::string path, int64_t size, ChangeKind kind = ChangeKind::kCloseWrite) {
  FileRecord record;
  record.path = std::move(path);
  record.version = {7, size, 99};
  record.kind = kind;
  record.evidence = ChangeEvidence::kClosed;
  record.observed_unix_ns = 5;
  return record;
}

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    ledger_.reset();
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(state_.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ledger_ = *std::move(ledger);
    absl::StatusOr<LedgerVolume> volume = ledger_->FindVolume("v");
    ASSERT_TRUE(volume.ok());
    volume_ = *volume;
  }
  void Record(const std::vector<FileRecord>& records) {
    ASSERT_TRUE(ledger_->Record(volume_.key, records).ok());
  }
  std::vector<std::string> Pending(int64_t after = 0) {
    std::vector<std::string> paths;
    const std::vector<PendingChange> changes = *ledger_->Pending(after, 1000);
    for (const PendingChange& change : changes) {
      paths.push_back(change.record.path);
    }
    return paths;
  }
  std::vector<std::string> Directories(const std::string& below) {
    std::vector<std::string> found;
    std::optional<std::string> cursor;
    while (true) {
      cursor = *ledger_->NextDirectory(volume_.key, below, cursor);
      if (!cursor.has_value()) return found;
      found.push_back(*cursor);
    }
  }

  ScratchVolume state_;
  std::unique_ptr<Ledger> ledger_;
  LedgerVolume volume_;
};

TEST_F(LedgerTest, KeepsWhatWasRecorded) {
  const std::string odd("d/\xff \n$(x)", 9);
  Record({Row(odd, 3)});
  const std::string id = ledger_->id();
  Reopen();
  EXPECT_EQ(ledger_->id(), id);
  EXPECT_EQ(id.size(), 16u);
  const auto row = ledger_->Find(volume_.key, odd);
  ASSERT_TRUE(row.ok() && row->has_value());
  EXPECT_EQ((*row)->version, (ContentVersion{7, 3, 99}));
  EXPECT_EQ((*row)->evidence, ChangeEvidence::kClosed);
  EXPECT_EQ((*row)->sequence, 1);
}

TEST_F(LedgerTest, OneRowAPathThatMovesOn) {
  Record({Row("a", 1), Row("b", 1)});
  Record({Row("a", 2)});
  EXPECT_THAT(Pending(), ElementsAre("b", "a"));
  EXPECT_THAT(Pending(2), ElementsAre("a"));
  EXPECT_EQ(ledger_->sequence(), 3);
}

TEST_F(LedgerTest, AcknowledgedRowsStayButAreNotPending) {
  Record({Row("a", 1), Row("b", 1), Row("c", 1)});
  ASSERT_TRUE(ledger_->Acknowledge(2).ok());
  EXPECT_THAT(Pending(), ElementsAre("c"));
  EXPECT_EQ(*ledger_->Settled(2), true);
  EXPECT_EQ(*ledger_->Settled(3), false);
  EXPECT_EQ(*ledger_->CountPending(volume_.key), 1);
  ASSERT_TRUE(ledger_->Acknowledge(1).ok());
  ASSERT_TRUE(ledger_->Acknowledge(99).ok());
  EXPECT_EQ(ledger_->acknowledged(), 3);
  Reopen();
  EXPECT_EQ(ledger_->acknowledged(), 3);
  EXPECT_THAT(Pending(), IsEmpty());
  EXPECT_TRUE((*ledger_->Find(volume_.key, "a")).has_value());
}

TEST_F(LedgerTest, ADeletionIsARowUntilItIsAcknowledged) {
  Record({Row("a", 1)});
  Record({Row("a", 1, ChangeKind::kDelete)});
  EXPECT_THAT(Pending(), ElementsAre("a"));
  ASSERT_TRUE(ledger_->Acknowledge(2).ok());
  EXPECT_FALSE((*ledger_->Find(volume_.key, "a")).has_value());
  Reopen();
  Record({Row("b", 1)});
  EXPECT_GT(ledger_->sequence(), 2) << "sequences of dropped rows must not come again";
}

// After a power cut had taken the last rows, their sequences were given to other files, whose
// events the coordinator took for repeats of those that it had heard.
TEST_F(LedgerTest, SequencesThatAPowerCutMayHaveTakenDoNotComeAgain) {
  Record({Row("a", 1)});
  Reopen();
  Record({Row("b", 1)});
  EXPECT_GT(ledger_->sequence(), kSequencesLostMax);
  EXPECT_THAT(Pending(), ElementsAre("a", "b"));
}

TEST_F(LedgerTest, NextDirectoryStaysBelow) {
  Record({Row("f", 1), Row("a/f", 1), Row("a-b/f", 1), Row("a/x/f", 1), Row("a0/f", 1),
          Row("b/f", 1)});
  EXPECT_THAT(Directories("a"), ElementsAre("a", "a/x"));
  EXPECT_THAT(Directories("a/x"), ElementsAre("a/x"));
  EXPECT_THAT(Directories(""), ElementsAre("", "a", "a-b", "a/x", "a0", "b"));
  EXPECT_THAT(Directories("zzz"), IsEmpty());
}

TEST_F(LedgerTest, ListIsOneDirectoryInByteOrder) {
  Record({Row("d/b", 1), Row("d/a", 1), Row("d/e/f", 1), Row("c", 1)});
  std::vector<std::string> paths;
  const std::vector<FileRecord> rows = *ledger_->List(volume_.key, "d");
  for (const FileRecord& row : rows) paths.push_back(row.path);
  EXPECT_THAT(paths, ElementsAre("d/a", "d/b"));
}

TEST_F(LedgerTest, WhatAVolumeHadPendingIsForgottenWithIt) {
  const LedgerVolume other = *ledger_->FindVolume("other");
  Record({Row("known", 1)});
  ASSERT_TRUE(ledger_->Acknowledge(1).ok());
  Record({Row("pending", 1)});
  ASSERT_TRUE(ledger_->ForgetPendingExcept({"other"}).ok());
  EXPECT_FALSE((*ledger_->Find(volume_.key, "pending")).has_value());
  EXPECT_TRUE((*ledger_->Find(volume_.key, "known")).has_value());
  ASSERT_TRUE(ledger_->Record(other.key, {Row("x", 1)}).ok());
  EXPECT_EQ(ledger_->sequence(), 3);
}

TEST_F(LedgerTest, RowsOfAFormerProcessMayBeInFlight) {
  Record({Row("a", 1)});
  EXPECT_FALSE(ledger_->MayBeInFlight(1));
  ledger_->NoteSent(1);
  EXPECT_TRUE(ledger_->MayBeInFlight(1));
  Record({Row("b", 1)});
  Reopen();
  EXPECT_TRUE(ledger_->MayBeInFlight(2));
  ASSERT_TRUE(ledger_->Acknowledge(2).ok());
  EXPECT_FALSE(ledger_->MayBeInFlight(2));
}

TEST_F(LedgerTest, PublishingIsRemembered) {
  ASSERT_TRUE(ledger_->BeginPublishing(7, 2).ok());
  ASSERT_TRUE(ledger_->BeginPublishing(8, 1).ok());
  Reopen();
  EXPECT_TRUE(*ledger_->PublishingBegan(7, 2));
  EXPECT_FALSE(*ledger_->PublishingBegan(7, 3));
  ASSERT_TRUE(ledger_->ForgetPublishingExcept({{8, 1}}).ok());
  EXPECT_FALSE(*ledger_->PublishingBegan(7, 2));
  EXPECT_TRUE(*ledger_->PublishingBegan(8, 1));
}

TEST_F(LedgerTest, MarkersAreKept) {
  EXPECT_EQ(volume_.marker, "");
  ASSERT_TRUE(ledger_->SetMarker(volume_.key, std::string("\0\xff", 2)).ok());
  Reopen();
  EXPECT_EQ(volume_.marker, std::string("\0\xff", 2));
}

TEST_F(LedgerTest, TheStateDirectoryHasOneUser) {
  const absl::Status second = Ledger::Open(state_.path()).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LedgerTest, ADamagedFileIsMovedAside) {
  Record({Row("a", 1)});
  const std::string id = ledger_->id();
  ledger_.reset();
  state_.Remove("ledger.db-wal");
  state_.Write("ledger.db", std::string(100'000, 'x'));
  Reopen();
  EXPECT_NE(ledger_->id(), id);
  EXPECT_THAT(Pending(), IsEmpty());
  Record({Row("a", 1)});
}

TEST_F(LedgerTest, TheListenerHearsOfChangesAndAcknowledgements) {
  int calls = 0;
  ledger_->SetListener([&calls] { ++calls; });
  Record({Row("a", 1)});
  EXPECT_EQ(calls, 1);
  ASSERT_TRUE(ledger_->Acknowledge(1).ok());
  EXPECT_EQ(calls, 2);
  ASSERT_TRUE(ledger_->Acknowledge(1).ok());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace closewrite::watcher
