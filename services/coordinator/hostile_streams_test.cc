// What keeps the coordinator's memory bounded, whoever opens streams.
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "services/coordinator/waiting_room.h"
#include "services/coordinator/work_budget.h"

namespace closewrite {
namespace {

struct FakeStream {
  void End(const absl::Status& status) { end = status; }
  absl::Status end;
};

// Streams that were opened and never said anything stayed for ever.
TEST(WaitingRoomTest, WhoHasWaitedLongestMakesRoom) {
  WaitingRoom<FakeStream> room(2);
  std::vector<std::shared_ptr<FakeStream>> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(std::make_shared<FakeStream>());
  room.Enter(streams[0]);
  room.Enter(streams[1]);
  EXPECT_TRUE(streams[0]->end.ok());
  room.Enter(streams[2]);
  EXPECT_TRUE(absl::IsResourceExhausted(streams[0]->end));
  EXPECT_TRUE(streams[1]->end.ok());
  room.Leave(streams[1].get());
  room.Leave(streams[1].get());
  room.Enter(streams[3]);
  EXPECT_TRUE(streams[1]->end.ok()) << "it had spoken";
  EXPECT_TRUE(streams[2]->end.ok());
}

// What was received was kept, as much of it as came, until it was committed.
TEST(WorkBudgetTest, WhatIsTakenIsGivenBack) {
  WorkBudget budget(100);
  EXPECT_TRUE(budget.Take(60).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(budget.Take(41)));
  EXPECT_EQ(budget.taken(), 60u) << "what is refused takes nothing";
  EXPECT_TRUE(budget.Take(40).ok());
  budget.Give(60);
  EXPECT_TRUE(budget.Take(60).ok());
}

}  // namespace
}  // namespace closewrite
