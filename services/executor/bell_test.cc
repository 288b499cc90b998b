#include "services/executor/bell.h"

#include <thread>

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

TEST(Bell, ARingBeforeTheWaitIsHeardOnce) {
  Bell bell;
  bell.Ring();
  bell.Ring();
  EXPECT_TRUE(bell.Wait(absl::InfiniteDuration()));
  EXPECT_FALSE(bell.Wait(absl::ZeroDuration()));
  EXPECT_FALSE(bell.Wait(-absl::Seconds(1)));
}

TEST(Bell, WakesAWaitingThread) {
  Bell bell;
  std::thread ringer([&] { bell.Ring(); });
  EXPECT_TRUE(bell.Wait(absl::InfiniteDuration()));
  ringer.join();
}

}  // namespace
}  // namespace closewrite::executor
