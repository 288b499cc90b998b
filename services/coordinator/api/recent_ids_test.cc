#include "services/coordinator/api/recent_ids.h"

#include "gtest/gtest.h"

namespace closewrite {
namespace {

TEST(RecentIds, TellsNewIdsFromKnownOnes) {
  RecentIds ids(10);
  EXPECT_TRUE(ids.Add(7));
  EXPECT_FALSE(ids.Add(7));
  EXPECT_TRUE(ids.Add(-7));
}

TEST(RecentIds, ForgetsTheOldest) {
  RecentIds ids(2);
  EXPECT_TRUE(ids.Add(1));
  EXPECT_TRUE(ids.Add(2));
  EXPECT_TRUE(ids.Add(3));
  EXPECT_FALSE(ids.Add(3));
  EXPECT_FALSE(ids.Add(2));
  EXPECT_TRUE(ids.Add(1));
}

}  // namespace
}  // namespace closewrite
