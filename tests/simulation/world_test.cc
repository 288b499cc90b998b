#include "tests/simulation/world.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace closewrite::simulation {
namespace {

void RunAll(World& world) {
  while (world.Step()) {
  }
}

TEST(WorldTest, EventsHappenInOrderOfTimeThenOfPlanning) {
  World world(1, false);
  std::vector<int> seen;
  world.After(absl::Seconds(2), nullptr, [&] { seen.push_back(4); });
  world.After(absl::Seconds(1), nullptr, [&] {
    seen.push_back(1);
    world.After(absl::ZeroDuration(), nullptr, [&] { seen.push_back(3); });
  });
  world.After(absl::Seconds(1), nullptr, [&] { seen.push_back(2); });
  RunAll(world);
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(world.now(), absl::Seconds(2));
  EXPECT_EQ(world.steps(), 4);
}

TEST(WorldTest, WhatALifeHasPlannedDoesNotHappenInTheNext) {
  World world(1, false);
  Part part(&world, "part");
  std::vector<int> seen;
  part.Start();
  part.After(absl::Seconds(2), [&] { seen.push_back(1); });
  world.After(absl::Seconds(1), nullptr, [&] {
    part.Crash();
    part.Start();
    part.After(absl::Seconds(3), [&] { seen.push_back(2); });
  });
  RunAll(world);
  EXPECT_EQ(seen, std::vector<int>{2});
}

TEST(WorldTest, WhatIsPlannedForAFrozenPartWaitsInOrder) {
  World world(1, false);
  Part part(&world, "part");
  std::vector<absl::Duration> seen;
  part.Start();
  part.FreezeUntil(absl::Seconds(5));
  part.After(absl::Seconds(1), [&] { seen.push_back(world.now()); });
  part.After(absl::Seconds(2), [&] { seen.push_back(world.now() + absl::Nanoseconds(1)); });
  RunAll(world);
  EXPECT_EQ(seen, (std::vector<absl::Duration>{absl::Seconds(5),
                                               absl::Seconds(5) + absl::Nanoseconds(1)}));
}

TEST(WorldTest, OnlyTheFirstFailureIsKept) {
  World world(1, false);
  world.Fail("first", "a");
  world.Fail("second", "b");
  ASSERT_TRUE(world.failure().has_value());
  EXPECT_EQ(world.failure()->check, "first");
}

TEST(TraceTest, TextIsFilledInAndHashedTheSameWhetherKeptOrNot) {
  Trace kept(true);
  Trace hashed(false);
  for (Trace* trace : {&kept, &hashed}) {
    trace->Add(1'500'000'000, "C0", "job $0/$1: $d", {7, 2}, "leased");
  }
  ASSERT_EQ(kept.lines().size(), 1u);
  EXPECT_EQ(kept.lines()[0], "    1.500000  C0   job 7/2: leased");
  EXPECT_TRUE(hashed.lines().empty());
  EXPECT_EQ(kept.hash(), hashed.hash());
  hashed.Add(1'500'000'000, "C0", "job $0/$1: $d", {7, 2}, "leased");
  EXPECT_NE(kept.hash(), hashed.hash());
}

}  // namespace
}  // namespace closewrite::simulation
