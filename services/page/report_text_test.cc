#include "services/page/report_text.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
// 2026-11-26 10:17:31 UTC.
constexpr int64_t kSeconds = 1'795'688'251;

TEST(ReportTextTest, Times) {
  EXPECT_EQ(UtcText(absl::FromUnixSeconds(kSeconds)), "2026-11-26 10:17:31");
  EXPECT_EQ(UtcText(absl::FromUnixSeconds(kSeconds - 31)), "2026-11-26 10:17");
  google::protobuf::Timestamp time;
  time.set_seconds(kSeconds);
  EXPECT_EQ(MomentText(true, time), "26 Nov 10:17");
  EXPECT_EQ(MomentText(false, time), kNone);
}

TEST(ReportTextTest, Widths) {
  const struct {
    absl::Duration width;
    std::string text;
  } cases[] = {
      {absl::Seconds(1), "second"},
      {absl::Seconds(15), "15 seconds"},
      {absl::Seconds(90), "90 seconds"},
      {absl::Minutes(1), "minute"},
      {absl::Minutes(90), "90 minutes"},
      {absl::Hours(1), "hour"},
      {absl::Hours(12), "12 hours"},
      {kDay, "day"},
      {7 * kDay, "7 days"},
      {absl::Hours(36), "36 hours"},
  };
  for (const auto& each : cases) EXPECT_EQ(WidthText(each.width), each.text);
}

TEST(ReportTextTest, Buckets) {
  const absl::Time begin = absl::FromUnixSeconds(kSeconds / 86'400 * 86'400);
  EXPECT_EQ(BucketText(begin + absl::Hours(22), absl::Hours(2)), "26 Nov 22:00 to 00:00");
  EXPECT_EQ(BucketText(begin, absl::Seconds(5)), "26 Nov 00:00:00 to 00:00:05");
  EXPECT_EQ(BucketText(begin, kDay), "26 Nov");
  EXPECT_EQ(BucketText(begin, 7 * kDay), "26 Nov to 2 Dec");
}

TEST(ReportTextTest, DurationsThatThereAreNot) {
  v1::ReportQuantiles quantiles;
  EXPECT_EQ(MedianText(quantiles), kNone);
  quantiles.set_count(1);
  EXPECT_EQ(MedianText(quantiles), "0ms");
  quantiles.mutable_p95()->set_seconds(90);
  EXPECT_EQ(P95Text(quantiles), "1m30s");
  EXPECT_EQ(MaxText(quantiles), "0ms");
}

TEST(ReportTextTest, SuccessIsWholeOnlyWhenNoneHasFailed) {
  const struct {
    int64_t succeeded;
    int64_t failed;
    std::string text;
  } cases[] = {
      {0, 0, kNone},         {5, 0, "100 %"},  {0, 5, "0.0 %"},
      {99'999, 1, "99.9 %"}, {1, 2, "33.3 %"}, {1'000'000'000'000, 1'000'000'000'000, "50.0 %"},
  };
  for (const auto& each : cases) {
    v1::ReportStatistics jobs;
    jobs.set_succeeded(each.succeeded);
    jobs.set_failed(each.failed);
    jobs.set_cancelled(7);
    EXPECT_EQ(SuccessText(jobs), each.text);
    EXPECT_EQ(Ended(jobs), each.succeeded + each.failed + 7);
  }
}

}  // namespace
}  // namespace closewrite
