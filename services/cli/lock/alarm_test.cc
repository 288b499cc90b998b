#include "services/cli/lock/alarm.h"

#include <unistd.h>

#include <thread>

#include "gtest/gtest.h"
#include "services/clock/clock.h"

namespace closewrite::cli {
namespace {

TEST(Alarm, RingsFromAnotherThread) {
  Alarm alarm;
  std::thread thread([&] { alarm.Ring(); });
  alarm.Wait(absl::InfiniteDuration());
  thread.join();
}

TEST(Alarm, ARingBeforeTheWaitIsHeardOnce) {
  Alarm alarm;
  alarm.Ring();
  alarm.Ring();
  alarm.Wait(absl::InfiniteDuration());
  const absl::Duration until = SinceBoot() + absl::Milliseconds(20);
  alarm.Wait(until);
  EXPECT_GE(SinceBoot(), until);
}

TEST(Alarm, WhatIsOverIsNotWaitedFor) {
  Alarm alarm;
  alarm.Wait(SinceBoot() - absl::Hours(1));
  alarm.Wait(absl::Nanoseconds(1));
}

TEST(Alarm, AFileThatHasEndedEndsIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Alarm alarm;
  std::thread thread([&] { close(ends[1]); });
  alarm.Wait(absl::InfiniteDuration(), ends[0]);
  thread.join();
  close(ends[0]);
}

}  // namespace
}  // namespace closewrite::cli
