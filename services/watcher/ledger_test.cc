#include "services/watcher/ledger.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/watcher/database.h"
#include "services/watcher/ledger_batch.h"
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
    LedgerBatch batch(ledger_.get(), volume_.key);
    std::optional<std::string> cursor;
    while (true) {
      cursor = *batch.NextDirectory(below, cursor);
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

// Two starts with a power cut between them gave the same sequences: the first had not kept where it
// began.
TEST_F(LedgerTest, NorDoThoseThatWereGivenAfterARestart) {
  Record({Row("a", 1)});
  Reopen();
  // What a power cut leaves: all that was synced at the start, nothing of what came later.
  const std::string file = state_.Read("ledger.db");
  const std::string log = state_.Read("ledger.db-wal");
  Record({Row("b", 1), Row("c", 1)});
  const int64_t given = ledger_->sequence();
  ledger_.reset();
  state_.Write("ledger.db", file);
  state_.Write("ledger.db-wal", log);
  Reopen();
  EXPECT_THAT(Pending(), ElementsAre("a"));
  Record({Row("d", 1)});
  EXPECT_GT((*ledger_->Find(volume_.key, "d"))->sequence, given);
}

TEST_F(LedgerTest, NextDirectoryStaysBelow) {
  Record({Row("f", 1), Row("a/f", 1), Row("a-b/f", 1), Row("a/x/f", 1), Row("a0/f", 1),
          Row("b/f", 1)});
  EXPECT_THAT(Directories("a"), ElementsAre("a", "a/x"));
  EXPECT_THAT(Directories("a/x"), ElementsAre("a/x"));
  EXPECT_THAT(Directories(""), ElementsAre("", "a", "a/x", "a-b", "a0", "b"));
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
  ASSERT_TRUE(ledger_->BeginPublishing(7, 2, "v", {}).ok());
  ASSERT_TRUE(ledger_->BeginPublishing(8, 1, "v", {}).ok());
  Reopen();
  EXPECT_TRUE(*ledger_->PublishingBegan(7, 2));
  EXPECT_FALSE(*ledger_->PublishingBegan(7, 3));
  ASSERT_TRUE(ledger_->ForgetPublishingExcept({{8, 1}}).ok());
  EXPECT_FALSE(*ledger_->PublishingBegan(7, 2));
  EXPECT_TRUE(*ledger_->PublishingBegan(8, 1));
}

TEST_F(LedgerTest, AFileThatAnOrderPutInPlaceNamesItsJob) {
  ASSERT_TRUE(ledger_->BeginPublishing(41, 2, "v", {{"d/a", 7}, {"d/b", 8}}).ok());
  Reopen();                                               // it is durable
  Record({Row("d/a", 1), Row("d/b", 1), Row("d/c", 1)});  // all have inode 7
  const std::vector<PendingChange> changes = *ledger_->Pending(0, 10);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].record.caused_by_job, 41);
  EXPECT_EQ(changes[1].record.caused_by_job, 0) << "another inode";
  EXPECT_EQ(changes[2].record.caused_by_job, 0);
  // The row keeps it, also when its times are corrected ...
  FileRecord row = **ledger_->Find(volume_.key, "d/a");
  EXPECT_EQ(row.caused_by_job, 41);
  row.version.mtime_ns = 100;
  Record({row});
  EXPECT_EQ((*ledger_->Find(volume_.key, "d/a"))->caused_by_job, 41);
  // ... until somebody else writes the file.
  Record({Row("d/a", 2)});
  EXPECT_EQ((*ledger_->Find(volume_.key, "d/a"))->caused_by_job, 0);
}

TEST_F(LedgerTest, LineageIsOfOneVolumeAndPath) {
  const LedgerVolume other = *ledger_->FindVolume("other");
  ASSERT_TRUE(ledger_->BeginPublishing(41, 2, "v", {{"a", 7}}).ok());
  ASSERT_TRUE(ledger_->Record(other.key, {Row("a", 1)}).ok());
  Record({Row("b", 1)});
  Record({Row("a", 1, ChangeKind::kDelete)});  // of the file that stood there before
  Record({Row("a", 1)});
  const std::vector<PendingChange> changes = *ledger_->Pending(0, 10);
  EXPECT_EQ(changes.size(), 3u);
  for (const PendingChange& change : changes) {
    const bool published = change.volume == "v" && change.record.path == "a";
    EXPECT_EQ(change.record.caused_by_job, published ? 41 : 0) << change.record.path;
  }
}

TEST_F(LedgerTest, ANewerOrderForAPathHasItsOwnLineage) {
  ASSERT_TRUE(ledger_->BeginPublishing(41, 1, "v", {{"a", 6}}).ok());
  ASSERT_TRUE(ledger_->BeginPublishing(42, 1, "v", {{"a", 7}}).ok());
  ASSERT_TRUE(ledger_->BeginPublishing(43, 1, "gone", {{"a", 7}}).ok()) << "no such volume";
  Record({Row("a", 1)});
  EXPECT_EQ((*ledger_->Find(volume_.key, "a"))->caused_by_job, 42);
}

TEST_F(LedgerTest, LineageThatNoRowTakesUpIsDropped) {
  ledger_.reset();
  std::unique_ptr<Database> database = *Database::Open(state_.Absolute("ledger.db"));
  LedgerLineage lineage(database.get());
  const absl::Time begin = absl::UnixEpoch() + absl::Hours(1);
  for (int64_t job = 1; job <= 5; ++job) {
    ASSERT_TRUE(lineage.Add(1, {{"ignored.tmp", static_cast<uint64_t>(job)}}, job, begin).ok());
  }
  const absl::Time later = begin + kLineageAgeMax + absl::Seconds(1);
  ASSERT_TRUE(lineage.Add(1, {{"a", 100}, {"b", 101}}, 6, later).ok());
  EXPECT_EQ(*lineage.Take(1, "ignored.tmp", 4), 0) << "four of the old ones were dropped";
  EXPECT_EQ(*lineage.Take(1, "ignored.tmp", 5), 5);
  EXPECT_EQ(*lineage.Take(1, "a", 100), 6);
  EXPECT_EQ(*lineage.Take(1, "a", 100), 0) << "once";
}

TEST_F(LedgerTest, ACommitThatFailedLeavesTheLineage) {
  ASSERT_TRUE(ledger_->BeginPublishing(41, 2, "v", {{"a", 7}}).ok());
  FileRecord bad = Row("b", 1);
  // No volume has a row of such a kind; the second row's failure takes the first back.
  std::unique_ptr<Database> database;
  Record({Row("z", 1)});
  ledger_.reset();
  database = *Database::Open(state_.Absolute("ledger.db"));
  ASSERT_TRUE(database
                  ->Execute("CREATE TRIGGER refuse BEFORE INSERT ON files WHEN NEW.kind = 99"
                            " BEGIN SELECT RAISE(ABORT, 'refused'); END")
                  .ok());
  database.reset();
  Reopen();
  bad.kind = static_cast<ChangeKind>(99);
  EXPECT_FALSE(ledger_->Record(volume_.key, {Row("a", 1), Row("x/y", 1), bad}).ok());
  EXPECT_THAT(Pending(), ElementsAre("z"));
  EXPECT_EQ(*ledger_->CountPending(volume_.key), 1);
  EXPECT_EQ(ledger_->Numbers()->failed_commits, 1);
  Record({Row("x/y", 1), Row("a", 1)});
  EXPECT_THAT(Pending(), ElementsAre("z", "x/y", "a"));
  EXPECT_EQ((*ledger_->Find(volume_.key, "a"))->caused_by_job, 41);
}

TEST_F(LedgerTest, NumbersByVolumeAndKind) {
  ASSERT_TRUE(ledger_->FindVolume("other").ok());
  FileRecord found = Row("b", 1);
  found.source = ChangeSource::kRescan;
  Record({Row("a", 1), found});
  Record({Row("a", 1, ChangeKind::kDelete)});
  LedgerNumbers numbers = *ledger_->Numbers();
  EXPECT_EQ(numbers.volumes["v"].pending, 2);
  EXPECT_EQ(numbers.volumes["v"].recorded[static_cast<size_t>(ChangeKind::kCloseWrite)], 2);
  EXPECT_EQ(numbers.volumes["v"].recorded[static_cast<size_t>(ChangeKind::kDelete)], 1);
  EXPECT_EQ(numbers.volumes["v"].found, 1);
  EXPECT_EQ(numbers.volumes["v"].acknowledged, 0);
  EXPECT_EQ(numbers.volumes["other"].pending, 0);
  EXPECT_EQ(numbers.oldest_pending_unix_ns, 5);
  Reopen();
  EXPECT_EQ(*ledger_->CountPending(volume_.key), 2);
  ASSERT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
  numbers = *ledger_->Numbers();
  EXPECT_EQ(numbers.volumes["v"].pending, 0);
  EXPECT_EQ(numbers.volumes["v"].acknowledged, 2);
  EXPECT_EQ(numbers.oldest_pending_unix_ns, 0);
}

TEST_F(LedgerTest, ADirectoryGoesWithItsLastRow) {
  Record({Row("d/a", 1), Row("d/b", 1), Row("e/a", 1)});
  Record({Row("d/a", 1, ChangeKind::kDelete), Row("e/a", 1, ChangeKind::kMovedFrom)});
  EXPECT_THAT(Directories(""), ElementsAre("d", "e"));
  ASSERT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
  EXPECT_THAT(Directories(""), ElementsAre("d"));
  Record({Row("e/a", 2)});
  EXPECT_THAT(Directories(""), ElementsAre("d", "e"));
  EXPECT_EQ((*ledger_->Find(volume_.key, "e/a"))->version.size, 2);
}

TEST_F(LedgerTest, MoreDirectoriesThanAreRemembered) {
  std::vector<FileRecord> rows;
  for (size_t number = 0; number < 2 * kDirectoriesRememberedMax; ++number) {
    rows.push_back(Row(StrCat("d/", number, "/f"), 1));
  }
  Record(rows);
  EXPECT_EQ(Directories("d").size(), rows.size());
  const std::vector<PendingChange> changes = *ledger_->Pending(0, static_cast<int>(rows.size()));
  ASSERT_EQ(changes.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(changes[i].record.path, rows[i].path);
}

TEST_F(LedgerTest, RowsOfManyDirectoriesComeInTheOrderOfAWalk) {
  Record({Row("f", 1), Row("a/g", 1), Row("a/f", 1), Row("a-b/f", 1), Row("a/x/f", 1)});
  std::vector<std::string> paths;
  std::optional<std::string> after;
  while (true) {
    const std::vector<DirectoryRows> some = *ledger_->ListNext(volume_.key, "", after, 2);
    if (some.empty()) break;
    for (const DirectoryRows& directory : some) {
      for (const FileRecord& row : directory.rows) paths.push_back(row.path);
    }
    after = some.back().directory;
  }
  EXPECT_THAT(paths, ElementsAre("f", "a/f", "a/g", "a/x/f", "a-b/f"));
}

TEST_F(LedgerTest, ABatchKnowsWhatItsPathsHadBefore) {
  Record({Row("a", 1), Row("b", 1)});
  LedgerBatch batch(ledger_.get(), volume_.key);
  ASSERT_TRUE((*batch.Find("a")).has_value());
  batch.Put(Row("a", 2));
  ASSERT_FALSE((*batch.Find("c")).has_value());
  batch.Put(Row("b", 2));  // not the one that was found last
  batch.Put(Row("c", 2));
  ASSERT_TRUE(batch.Commit().ok());
  EXPECT_THAT(Pending(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(*ledger_->CountPending(volume_.key), 3);
  ASSERT_FALSE((*batch.Find("d")).has_value());
  batch.Put(Row("d", 1));
  ASSERT_TRUE(batch.Commit().ok());
  batch.Put(Row("d", 2));
  ASSERT_TRUE(batch.Commit().ok());
  EXPECT_THAT(Pending(), ElementsAre("a", "b", "c", "d"));
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

// Overwrites pages in the middle, as a power cut on a disk that lies may leave them.
void Damage(const ScratchVolume& state) {
  std::fstream file(state.Absolute("ledger.db"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(100 << 12);
  file << std::string(100 << 12, 'x');
}

TEST_F(LedgerTest, AFileIsCheckedAfterTheHostWentDownWhileItWasOpen) {
  std::vector<FileRecord> rows;
  for (int number = 0; number < 20'000; ++number) rows.push_back(Row(StrCat("d/f", number), 1));
  Record(rows);
  ASSERT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
  const std::string id = ledger_->id();
  ledger_.reset();
  const auto open_as = [&](bool closed, const char* boot) {
    ledger_.reset();
    if (!closed) {
      std::unique_ptr<Database> database = *Database::Open(state_.Absolute("ledger.db"));
      EXPECT_TRUE(WriteMeta(database.get(), "clean", 0).ok());
    }
    ledger_ = *Ledger::Open(state_.path(), boot);
  };
  open_as(true, "boot 1");
  ledger_.reset();
  Damage(state_);
  open_as(true, "boot 2");
  EXPECT_EQ(ledger_->id(), id) << "closed before: not looked at";
  open_as(false, "boot 2");
  EXPECT_EQ(ledger_->id(), id) << "only the process was killed";
  open_as(false, "boot 3");
  EXPECT_NE(ledger_->id(), id);
}

TEST_F(LedgerTest, DamageThatIsMetIsRememberedForTheNextStart) {
  std::vector<FileRecord> rows;
  for (int number = 0; number < 20'000; ++number) rows.push_back(Row(StrCat("d/f", number), 1));
  Record(rows);
  ASSERT_TRUE(ledger_->Acknowledge(ledger_->sequence()).ok());
  const std::string id = ledger_->id();
  ledger_.reset();
  Damage(state_);
  Reopen();
  EXPECT_EQ(ledger_->id(), id);
  const absl::Status status = ledger_->List(volume_.key, "d").status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_TRUE(absl::IsDataLoss(ledger_->Record(volume_.key, rows)));
  Reopen();
  EXPECT_NE(ledger_->id(), id);
  Record(rows);
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
