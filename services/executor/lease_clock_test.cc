#include "services/executor/lease_clock.h"

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

constexpr absl::Duration kTtl = absl::Seconds(9);

TEST(LeaseClock, CountsFromWhenTheHeartbeatLeft) {
  LeaseClock clock;
  EXPECT_TRUE(clock.Expired(absl::Seconds(1)));
  clock.Sent(1, absl::Seconds(100));
  EXPECT_TRUE(clock.Expired(absl::Seconds(100)));
  clock.Answered(1, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(106));
  EXPECT_FALSE(clock.Expired(absl::Seconds(105)));
  EXPECT_TRUE(clock.Expired(absl::Seconds(106)));
}

TEST(LeaseClock, AMessageThatIsNoHeartbeatRenewsNothing) {
  LeaseClock clock;
  clock.Sent(1, absl::Seconds(100));
  clock.Sent(5, absl::Seconds(103));
  clock.Answered(4, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(106));
  clock.Answered(5, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(109));
}

TEST(LeaseClock, KnowsSinceWhenNothingIsAnswered) {
  LeaseClock clock;
  EXPECT_EQ(clock.unanswered_since(), absl::InfiniteDuration());
  clock.Sent(1, absl::Seconds(100));
  clock.Sent(5, absl::Seconds(103));
  EXPECT_EQ(clock.unanswered_since(), absl::Seconds(100));
  clock.Answered(4, kTtl);
  EXPECT_EQ(clock.unanswered_since(), absl::Seconds(103));
  clock.Answered(5, kTtl);
  EXPECT_EQ(clock.unanswered_since(), absl::InfiniteDuration());
  clock.Sent(6, absl::Seconds(104));
  clock.StartStream();
  EXPECT_EQ(clock.unanswered_since(), absl::InfiniteDuration());
}

TEST(LeaseClock, NeverMovesBackAndIgnoresRepeats) {
  LeaseClock clock;
  clock.Sent(1, absl::Seconds(100));
  clock.Answered(1, kTtl);
  clock.Answered(1, kTtl);
  clock.Answered(99, kTtl);
  clock.Sent(2, absl::Seconds(90));
  clock.Answered(2, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(106));
}

TEST(LeaseClock, AnswersOfAnOldStreamDoNotCount) {
  LeaseClock clock;
  clock.Sent(1, absl::Seconds(100));
  clock.StartStream();
  clock.Answered(1, kTtl);
  EXPECT_TRUE(clock.Expired(absl::Seconds(100)));
  clock.Sent(1, absl::Seconds(101));
  clock.Answered(1, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(107));
  clock.StartSession();
  EXPECT_TRUE(clock.Expired(absl::Seconds(101)));
}

TEST(LeaseClock, RemembersOnlySoManyHeartbeats) {
  LeaseClock clock;
  for (size_t i = 1; i <= kUnansweredHeartbeatsMax + 1; ++i) {
    clock.Sent(static_cast<int64_t>(i), absl::Seconds(static_cast<int64_t>(i)));
  }
  clock.Answered(1, kTtl);
  EXPECT_EQ(clock.deadline(), absl::ZeroDuration());
  clock.Answered(2, kTtl);
  EXPECT_EQ(clock.deadline(), absl::Seconds(8));
}

}  // namespace
}  // namespace closewrite::executor
