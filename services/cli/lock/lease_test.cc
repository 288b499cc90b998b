#include "services/cli/lock/lease.h"

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kSent = absl::Seconds(1000);
constexpr absl::Duration kTtl = absl::Seconds(60);

TEST(Lease, IsOverBeforeAnythingWasAnswered) {
  EXPECT_EQ(Lease().end(), absl::ZeroDuration());
  EXPECT_EQ(Lease().expires_at(), absl::ZeroDuration());
}

TEST(Lease, CountsFromWhenTheRequestLeft) {
  Lease lease;
  lease.Answered(kSent, kTtl);
  EXPECT_EQ(lease.renew_at(), kSent + absl::Seconds(20));
  EXPECT_EQ(lease.terminate_at(), kSent + absl::Seconds(35));
  EXPECT_EQ(lease.end(), kSent + absl::Seconds(40));
  EXPECT_EQ(lease.expires_at(), kSent + kTtl);
  // Who acts in another's place, too late though it may be, is still in time.
  EXPECT_LT(lease.end() + lease.late_max(), lease.expires_at());
}

TEST(Lease, OfAShortOneAPartIsForTheEnd) {
  Lease lease;
  lease.Answered(kSent, absl::Seconds(6));
  EXPECT_EQ(lease.terminate_at(), kSent + absl::Seconds(3.5));
  EXPECT_LE(lease.renew_at() + 2 * lease.try_max(), lease.terminate_at());
}

TEST(Lease, AnAnswerThatComesLateDoesNotMakeItShorter) {
  Lease lease;
  lease.Answered(kSent, kTtl);
  lease.Answered(kSent - absl::Seconds(5), kTtl);
  EXPECT_EQ(lease.end(), kSent + absl::Seconds(40));
  lease.Answered(kSent + absl::Seconds(20), kTtl);
  EXPECT_EQ(lease.end(), kSent + absl::Seconds(60));
}

}  // namespace
}  // namespace closewrite::cli
