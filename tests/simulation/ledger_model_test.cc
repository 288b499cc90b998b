#include "tests/simulation/ledger_model.h"

#include "gtest/gtest.h"

namespace closewrite::simulation {
namespace {

FileEvent Event(const std::string& path, EventKind kind = EventKind::kCloseWrite) {
  return {.kind = kind, .file = {.volume = "in", .path = path, .inode = 1, .size = 1}};
}

TEST(LedgerModelTest, ARowThatChangesAgainMovesOn) {
  LedgerModel ledger("id");
  ledger.Record(Event("a"));
  ledger.Record(Event("b"));
  ledger.Record(Event("a"));
  const auto pending = ledger.Pending(0, 10);
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[0].file.path, "b");
  EXPECT_EQ(pending[1].file.path, "a");
  EXPECT_EQ(pending[1].sequence, 3);
  EXPECT_EQ(ledger.Pending(2, 10).size(), 1u);
}

TEST(LedgerModelTest, ARowOfWhatIsGoneIsDroppedWhenThatIsAcknowledged) {
  LedgerModel ledger("id");
  ledger.Record(Event("a"));
  ledger.Record(Event("a", EventKind::kDelete));
  EXPECT_NE(ledger.Find({"in", "a"}), nullptr);
  ledger.Acknowledge(ledger.sequence());
  EXPECT_EQ(ledger.Find({"in", "a"}), nullptr);
  EXPECT_TRUE(ledger.Pending(0, 10).empty());
}

TEST(LedgerModelTest, APowerCutTakesNothingThatIsSyncedAndNoSequenceComesTwice) {
  Random random(3);
  LedgerModel ledger("id");
  ledger.Open();
  ledger.Record(Event("a"));
  ledger.BeginPublishing(Lease{JobId{1}, FencingToken{1}}, "out", {"x"});
  const int64_t synced = ledger.sequence();
  for (int i = 0; i < 5; ++i) ledger.Record(Event("b"));
  const int64_t newest = ledger.sequence();
  ledger.CutPower(random);
  EXPECT_NE(ledger.Find({"in", "a"}), nullptr);
  EXPECT_GE(ledger.sequence(), synced);
  EXPECT_LE(ledger.sequence(), newest);
  EXPECT_TRUE(ledger.PublishingBegan(Lease{JobId{1}, FencingToken{1}}));
  ledger.Open();
  ledger.Record(Event("c"));
  EXPECT_GT(ledger.sequence(), newest);
}

TEST(LedgerModelTest, WhatAnOrderPutsInPlaceNamesItsJobOnce) {
  LedgerModel ledger("id");
  ledger.BeginPublishing(Lease{JobId{9}, FencingToken{1}}, "in", {"a"});
  ledger.Record(Event("a", EventKind::kMovedTo));
  EXPECT_EQ(ledger.Find({"in", "a"})->caused_by_job, 9);
  ledger.Record(Event("a", EventKind::kMovedTo));
  EXPECT_EQ(ledger.Find({"in", "a"})->caused_by_job, 0);
}

}  // namespace
}  // namespace closewrite::simulation
