#include "tests/simulation/commands_model.h"

#include <optional>

#include "gtest/gtest.h"

namespace closewrite::simulation {
namespace {

constexpr Lease kLease = {JobId{1}, FencingToken{1}};

class CommandsModelTest : public testing::Test {
 protected:
  CommandsModelTest() { machine_.Start(); }

  void Start(absl::Duration lease_deadline, absl::Duration runs) {
    commands_.Start(
        kLease, {.lease_deadline = lease_deadline, .runs = runs, .on_end = [this](CommandEnd why) {
                   end_ = why;
                   ended_at_ = world_.now();
                 }});
  }
  void RunAll() {
    while (world_.Step()) {
    }
  }

  World world_{1, false};
  Part machine_{&world_, "machine"};
  int dead_ = 0;
  CommandsModel commands_{
      {.world = &world_, .machine = &machine_, .on_dead = [this](const Lease&) { ++dead_; }}};
  std::optional<CommandEnd> end_;
  absl::Duration ended_at_;
};

TEST_F(CommandsModelTest, ACommandEndsByItself) {
  Start(absl::Seconds(10), absl::Seconds(3));
  RunAll();
  EXPECT_EQ(end_, CommandEnd::kByItself);
  EXPECT_EQ(ended_at_, absl::Seconds(3));
  EXPECT_EQ(dead_, 1);
}

TEST_F(CommandsModelTest, ItIsKilledWhenItsLeaseEndsUnlessItIsRenewed) {
  Start(absl::Seconds(2), absl::Minutes(1));
  world_.After(absl::Seconds(1), nullptr, [this] { commands_.Renew(absl::Seconds(7)); });
  RunAll();
  EXPECT_EQ(end_, CommandEnd::kLease);
  EXPECT_GE(ended_at_, absl::Seconds(7));
  EXPECT_LE(ended_at_, absl::Seconds(7) + absl::Milliseconds(100));
}

TEST_F(CommandsModelTest, NoCommandOutlivesItsExecutor) {
  Start(absl::Minutes(1), absl::Minutes(1));
  world_.After(absl::Seconds(1), nullptr, [this] { commands_.ExecutorDied(); });
  RunAll();
  EXPECT_EQ(end_, CommandEnd::kExecutorDied);
  EXPECT_TRUE(commands_.empty());
}

TEST_F(CommandsModelTest, AFrozenMachineKillsAsSoonAsItThaws) {
  Start(absl::Seconds(2), absl::Minutes(1));
  machine_.FreezeUntil(absl::Seconds(30));
  RunAll();
  EXPECT_EQ(end_, CommandEnd::kLease);
  EXPECT_GE(ended_at_, absl::Seconds(30));
}

}  // namespace
}  // namespace closewrite::simulation
