// A ledger whose rows contradict each other, or whose tables are not those that were made, was
// opened for ever with errors that no restart cured: one of them was taken for a disk that fails.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/watcher/database.h"
#include "services/watcher/ledger.h"
#include "services/watcher/scratch_volume.h"

namespace closewrite::watcher {
namespace {

constexpr int kRestartsMax = 2;

FileRecord Row(std::string path) {
  FileRecord record;
  record.path = std::move(path);
  record.version = {7, 3, 99};
  return record;
}

// OK when the ledger takes rows, tells of them, and is told that they were received.
absl::Status Use(Ledger* ledger) {
  const absl::StatusOr<LedgerVolume> volume = ledger->FindVolume("v");
  if (!volume.ok()) return volume.status();
  const absl::Status recorded =
      ledger->Record(volume->key, std::vector<FileRecord>{Row("d/a"), Row("e/b")});
  if (!recorded.ok()) return recorded;
  int64_t sent = 0;
  while (true) {
    const auto changes = ledger->Pending(sent, 1);
    if (!changes.ok()) return changes.status();
    if (changes->empty()) return ledger->Acknowledge(ledger->sequence());
    EXPECT_GT(changes->back().record.sequence, sent);
    if (changes->back().record.sequence <= sent) return absl::InternalError("told twice");
    sent = changes->back().record.sequence;
  }
}

class LedgerDamageTest : public ::testing::TestWithParam<const char*> {};

TEST_P(LedgerDamageTest, IsCuredByRestarts) {
  ScratchVolume state;
  {
    const auto ledger = Ledger::Open(state.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    const int64_t volume = (*ledger)->FindVolume("v")->key;
    for (const char* path : {"d/a", "e/b", "e/c"}) {
      ASSERT_TRUE((*ledger)->Record(volume, std::vector<FileRecord>{Row(path)}).ok());
    }
    ASSERT_TRUE((*ledger)->Acknowledge(1).ok());
  }
  {
    const auto database = Database::Open(state.Absolute("ledger.db"));
    ASSERT_TRUE(database.ok());
    const absl::Status damaged = (*database)->Execute(GetParam());
    ASSERT_TRUE(damaged.ok()) << damaged;
  }
  absl::Status used;
  for (int restart = 0; restart <= kRestartsMax; ++restart) {
    const auto ledger = Ledger::Open(state.path());
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    used = Use(ledger->get());
    if (used.ok()) return;
    EXPECT_TRUE(absl::IsDataLoss(used)) << used;
  }
  FAIL() << used;
}

INSTANTIATE_TEST_SUITE_P(
    Damage, LedgerDamageTest,
    ::testing::Values("PRAGMA user_version = 0", "PRAGMA user_version = 1", "DROP TABLE lineage",
                      "ALTER TABLE files RENAME COLUMN size TO sizf", "DELETE FROM directories",
                      "UPDATE pending SET sequence = 9223372036854775807 WHERE sequence = 3",
                      "UPDATE meta SET value = CAST('9223372036854775807' AS BLOB)"
                      " WHERE key = CAST('acknowledged' AS BLOB)",
                      "UPDATE meta SET value = CAST('-7' AS BLOB)"
                      " WHERE key = CAST('acknowledged' AS BLOB)",
                      "UPDATE files SET sequence = 1"));

TEST(LedgerHeaderTest, AHeaderThatForbidsWritingIsDamage) {
  ScratchVolume state;
  ASSERT_TRUE(Ledger::Open(state.path()).ok());
  std::string bytes = state.Read("ledger.db");
  bytes[18] = 3;  // the version that writers must know
  state.Write("ledger.db", bytes);
  const auto ledger = Ledger::Open(state.path());
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_TRUE(Use(ledger->get()).ok());
}

}  // namespace
}  // namespace closewrite::watcher
