#include "services/coordinator/api/report_reader.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/coordinator/store/fake_store.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'795'688'251);  // 2026-11-26 10:17:31 UTC

v1::GetReportRequest Request(absl::Duration since, absl::Duration until) {
  v1::GetReportRequest request;
  request.mutable_since()->set_seconds(absl::ToUnixSeconds(kNow - since));
  request.mutable_until()->set_seconds(absl::ToUnixSeconds(kNow - until));
  return request;
}

TEST(ReportPeriodOfTest, SevenDaysUnlessToldOtherwise) {
  const auto period = ReportPeriodOf({}, kNow);
  ASSERT_TRUE(period.ok());
  EXPECT_EQ(period->until, kNow);
  EXPECT_EQ(period->bucket, absl::Hours(2));
  EXPECT_EQ(absl::ToUnixSeconds(period->since), 1'795'688'251 / 7200 * 7200 - 7 * 86'400);
  v1::GetReportRequest to_yesterday;
  to_yesterday.mutable_until()->set_seconds(absl::ToUnixSeconds(kNow) - 86'400);
  EXPECT_EQ(ReportPeriodOf(to_yesterday, kNow)->since, period->since - absl::Hours(24));
}

TEST(ReportPeriodOfTest, NothingOfTheFuture) {
  const auto period = ReportPeriodOf(Request(absl::Hours(1), -absl::Hours(5)), kNow);
  ASSERT_TRUE(period.ok());
  EXPECT_EQ(period->until, kNow);
}

TEST(ReportPeriodOfTest, RefusesWhatIsNoPeriod) {
  const auto day = absl::Hours(24);
  const struct {
    v1::GetReportRequest request;
    std::string message;
  } cases[] = {
      {Request(absl::Hours(1), absl::Hours(1)), "since: must be before"},
      {Request(absl::Hours(1), absl::Hours(2)), "since: must be before"},
      {Request(-absl::Hours(1), -absl::Hours(2)), "since: must be before"},
      {Request(400 * day + absl::Seconds(1), absl::ZeroDuration()), "since: can be at most 400"},
  };
  for (const auto& each : cases) {
    const absl::Status status = ReportPeriodOf(each.request, kNow).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_TRUE(absl::StrContains(status.message(), each.message)) << status;
  }
  EXPECT_TRUE(ReportPeriodOf(Request(400 * day, absl::ZeroDuration()), kNow).ok());
}

TEST(ReportPeriodOfTest, RefusesWhatMakesNoBuckets) {
  const struct {
    int64_t seconds;
    int32_t nanos;
    bool ok;
  } cases[] = {
      {0, 0, false},        {-1, 0, false},    {1, 1, false},           {86, 0, false},
      {87, 0, true},        {86'400, 0, true}, {400 * 86'400, 0, true}, {500 * 86'400, 0, false},
      {1LL << 62, 0, false}};
  for (const auto& each : cases) {
    v1::GetReportRequest request = Request(absl::Hours(24), absl::ZeroDuration());
    request.mutable_bucket()->set_seconds(each.seconds);
    request.mutable_bucket()->set_nanos(each.nanos);
    const auto period = ReportPeriodOf(request, kNow);
    EXPECT_EQ(period.ok(), each.ok) << each.seconds;
    if (period.ok()) {
      EXPECT_LE(period->buckets(), kReportBucketsMax);
    } else {
      EXPECT_TRUE(absl::StrContains(period.status().message(), "bucket: ")) << period.status();
    }
  }
}

class ReportReaderTest : public testing::Test {
 protected:
  // One job and one load a minute, the newest ones first among those that are read.
  void Fill(int count) {
    ASSERT_TRUE(store_
                    .Write([&](StoreTransaction& tx) {
                      for (int i = 0; i < count; ++i) {
                        Job job;
                        job.pipeline = i % 2 == 0 ? "even" : "odd";
                        job.key = StrCat("key ", i);
                        job.state = i % 5 == 0 ? JobState::kFailed : JobState::kSucceeded;
                        job.input = {.volume = "unenriched", .path = StrCat(i, ".csv")};
                        job.attempts = 1;
                        job.executor = "vm-c-1";
                        job.host = "vm-c";
                        job.message = i % 5 == 0 ? "exit code 7" : "";
                        job.finished_at = At(i);
                        job.started_at = At(i) - absl::Seconds(3);
                        job.created_at = At(i) - absl::Seconds(9);
                        tx.InsertJob(job);
                        tx.AppendLoad({.id = 0,
                                       .execution = "",
                                       .job = "load",
                                       .type = "load",
                                       .datasource = "sales",
                                       .records = 2,
                                       .increment = 1000 - i,
                                       .at = At(i)});
                      }
                      return absl::OkStatus();
                    })
                    .ok());
  }
  static absl::Time At(int minutes_ago) { return kNow - absl::Minutes(minutes_ago + 1); }

  v1::GetReportResponse Read(const ReportLimits& limits, absl::Duration span = absl::Hours(24)) {
    v1::GetReportResponse response;
    const absl::Status read = ReadReport(
        store_, MakeReportPeriod(kNow - span, kNow, absl::Hours(1)), limits, [] { return true; },
        &response);
    EXPECT_TRUE(read.ok()) << read;
    return response;
  }

  FakeStore store_;
};

TEST_F(ReportReaderTest, ReadsAllPagesOnce) {
  Fill(90);
  for (const int64_t rows : {1, 7, 89, 90, 91, 1000}) {
    const v1::GetReportResponse report = Read({.rows_per_read = rows});
    EXPECT_EQ(report.jobs().succeeded(), 72) << rows;
    EXPECT_EQ(report.jobs().failed(), 18) << rows;
    EXPECT_EQ(report.loads(), 90) << rows;
    EXPECT_EQ(report.records(), 180) << rows;
    EXPECT_FALSE(report.has_jobs_since() || report.has_loads_since()) << rows;
  }
}

TEST_F(ReportReaderTest, SaysWhatItDidNotLookAt) {
  Fill(90);
  for (const int64_t rows : {1, 7, 30, 31, 1000}) {
    const v1::GetReportResponse report =
        Read({.jobs_max = 30, .loads_max = 89, .rows_per_read = rows});
    EXPECT_EQ(report.jobs().succeeded() + report.jobs().failed(), 30) << rows;
    EXPECT_EQ(report.jobs_since().seconds(), absl::ToUnixSeconds(At(29))) << rows;
    EXPECT_EQ(report.loads(), 89) << rows;
    EXPECT_EQ(report.loads_since().seconds(), absl::ToUnixSeconds(At(88))) << rows;
  }
  const v1::GetReportResponse all = Read({.jobs_max = 90, .loads_max = 90});
  EXPECT_FALSE(all.has_jobs_since() || all.has_loads_since());
}

TEST_F(ReportReaderTest, ShowsWhatTheReportHas) {
  Fill(90);
  const v1::GetReportResponse report = Read({});
  EXPECT_EQ(report.bucket().seconds(), 3600);
  ASSERT_EQ(report.buckets_size(), 25);
  EXPECT_EQ(report.buckets(0).begin().seconds(), report.since().seconds());
  EXPECT_EQ(report.buckets(24).begin().seconds() % 3600, 0);
  // 17 minutes and 31 seconds are in the last bucket.
  EXPECT_EQ(report.buckets(24).jobs().succeeded() + report.buckets(24).jobs().failed(), 17);
  EXPECT_EQ(report.buckets(24).records(), 34);
  EXPECT_EQ(report.jobs().duration().count(), 72);
  EXPECT_EQ(report.jobs().duration().median().seconds(), 3);
  EXPECT_EQ(report.jobs().total().max().seconds(), 9);
  EXPECT_FALSE(report.buckets(0).jobs().has_duration());
  ASSERT_EQ(report.pipelines_size(), 2);
  EXPECT_EQ(report.pipelines(1).name(), "odd");
  EXPECT_EQ(report.pipelines(1).failed_at().seconds(), absl::ToUnixSeconds(At(5)));
  ASSERT_EQ(report.executors_size(), 1);
  EXPECT_EQ(report.executors(0).busy().seconds(), 270);
  ASSERT_EQ(report.failures_size(), 18);
  EXPECT_EQ(report.failures(0).input().path(), "0.csv");
  EXPECT_EQ(report.failures(0).message(), "exit code 7");
  ASSERT_EQ(report.sources_size(), 1);
  EXPECT_EQ(report.sources(0).increment(), 1000);
  ASSERT_EQ(report.sources(0).points_size(), 3);
  EXPECT_EQ(report.sources(0).points(2).bucket(), 24);
  EXPECT_EQ(report.sources(0).points(0).increment(), 1000 - 77);
}

TEST_F(ReportReaderTest, LeavesOutWhatIsOlder) {
  Fill(90);
  const v1::GetReportResponse report = Read({}, absl::Minutes(17));
  EXPECT_EQ(report.jobs().succeeded() + report.jobs().failed(), 17);
}

TEST_F(ReportReaderTest, EndsWhenNobodyWaits) {
  Fill(90);
  int asked = 0;
  v1::GetReportResponse response;
  const absl::Status read = ReadReport(
      store_, MakeReportPeriod(kNow - absl::Hours(24), kNow, absl::Hours(1)), {.rows_per_read = 7},
      [&] { return ++asked < 4; }, &response);
  EXPECT_TRUE(absl::IsCancelled(read)) << read;
  EXPECT_EQ(asked, 4);
}

}  // namespace
}  // namespace closewrite
