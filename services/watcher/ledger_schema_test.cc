// Ledgers that other versions made.
#include "services/watcher/ledger_schema.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/watcher/database.h"
#include "services/watcher/ledger.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

using ::testing::ElementsAre;

// As versions before 2 made it.
constexpr char kSchema1[] = R"sql(
  PRAGMA journal_mode = WAL;
  CREATE TABLE meta (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE volumes (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, marker BLOB NOT NULL);
  CREATE TABLE files (
    volume INTEGER NOT NULL, directory BLOB NOT NULL, name BLOB NOT NULL,
    inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    kind INTEGER NOT NULL, evidence INTEGER NOT NULL, source INTEGER NOT NULL,
    observed_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (volume, directory, name)) WITHOUT ROWID;
  CREATE UNIQUE INDEX files_by_sequence ON files (sequence);
  CREATE TABLE publishing (job INTEGER, token INTEGER, PRIMARY KEY (job, token)) WITHOUT ROWID;
  PRAGMA user_version = 1;
  INSERT INTO meta VALUES (CAST('id' AS BLOB), x'000102030405060708090a0b0c0d0e0f'),
    (CAST('acknowledged' AS BLOB), CAST('7' AS BLOB)), (CAST('clean' AS BLOB), CAST('1' AS BLOB));
  INSERT INTO volumes VALUES (1, CAST('u' AS BLOB), x'00'), (2, CAST('v' AS BLOB), x'00ff');
  INSERT INTO publishing VALUES (7, 2);
  INSERT INTO files VALUES
    (2, x'', CAST('root' AS BLOB), 7, 3, 99, 1, 1, 1, 5, 6),
    (2, CAST('a-b' AS BLOB), CAST('f' AS BLOB), 7, 3, 99, 1, 1, 1, 5, 7),
    (2, CAST('a/x' AS BLOB), x'ff0a', 7, 4, 99, 2, 2, 1, 5, 9),
    (2, x'61ff2f78', CAST('f' AS BLOB), 7, 5, 99, 1, 1, 2, 5, 8),
    (2, CAST('a' AS BLOB), CAST('deleted' AS BLOB), 7, 3, 99, 4, 0, 1, 5, 10),
    (1, CAST('a/x' AS BLOB), CAST('f' AS BLOB), 7, 6, 99, 1, 1, 1, 5, 11);
)sql";

class LedgerSchemaTest : public ::testing::Test {
 protected:
  // With tables as these statements make them.
  void Make(const char* sql) {
    ASSERT_TRUE((*Database::Open(state_.Absolute("ledger.db")))->Execute(sql).ok());
  }
  void Open() {
    ledger_.reset();
    absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(state_.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ledger_ = *std::move(ledger);
    volume_ = *ledger_->FindVolume("v");
  }
  std::vector<std::string> Pending() {
    std::vector<std::string> paths;
    const std::vector<PendingChange> changes = *ledger_->Pending(0, 1000);
    for (const PendingChange& change : changes) paths.push_back(change.record.path);
    return paths;
  }

  ScratchVolume state_;
  std::unique_ptr<Ledger> ledger_;
  LedgerVolume volume_;
};

TEST_F(LedgerSchemaTest, AFileOfTheFirstSchemaIsBroughtUpToDate) {
  Make(kSchema1);
  for (int round = 0; round < 2; ++round) {
    Open();
    EXPECT_EQ(ledger_->id(), std::string("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16));
    EXPECT_EQ(volume_.marker, std::string("\0\xff", 2));
    EXPECT_EQ(ledger_->acknowledged(), 7);
    EXPECT_GT(ledger_->sequence(), kSequencesLostMax);
    EXPECT_THAT(Pending(), ElementsAre("a\xff/x/f", "a/x/\xff\n", "a/deleted", "a/x/f"));
    EXPECT_EQ(*ledger_->CountPending(volume_.key), 3);
    EXPECT_THAT(*ledger_->NextDirectories(volume_.key, "", std::nullopt, 10),
                ElementsAre("", "a", "a/x", "a-b", "a\xff/x"));
    const FileRecord row = **ledger_->Find(volume_.key, "a/x/\xff\n");
    EXPECT_EQ(row.version, (ContentVersion{7, 4, 99}));
    EXPECT_EQ(row.kind, ChangeKind::kMovedTo);
    EXPECT_EQ(row.evidence, ChangeEvidence::kMovedIn);
    EXPECT_EQ(row.observed_unix_ns, 5);
    EXPECT_EQ(row.sequence, 9);
    EXPECT_TRUE((*ledger_->Find(volume_.key, "root")).has_value());
    EXPECT_TRUE(*ledger_->PublishingBegan(7, 2));
  }
  ASSERT_TRUE(ledger_->Acknowledge(10).ok());
  EXPECT_FALSE((*ledger_->Find(volume_.key, "a/deleted")).has_value());
  FileRecord again;
  again.path = "a/deleted";
  ASSERT_TRUE(ledger_->Record(volume_.key, {again}).ok());
  EXPECT_THAT(Pending(), ElementsAre("a/x/f", "a/deleted"));
}

TEST_F(LedgerSchemaTest, AFileOfANewerSchemaIsRefused) {
  Make("PRAGMA user_version = 3");
  const absl::Status status = Ledger::Open(state_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

}  // namespace
}  // namespace closewrite::watcher
