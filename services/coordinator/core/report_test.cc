#include "services/coordinator/core/report.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace closewrite {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

const absl::Time kNow = At("2026-11-26T10:17:31Z");  // a Thursday

TEST(ReportPeriodTest, ChoosesBuckets) {
  const struct {
    absl::Duration span;
    absl::Duration bucket;
  } cases[] = {
      {absl::Seconds(1), absl::Seconds(1)},
      {absl::Seconds(120), absl::Seconds(1)},
      {absl::Seconds(121), absl::Seconds(5)},
      {absl::Minutes(24), absl::Seconds(15)},
      {absl::Hours(1), absl::Minutes(1)},
      {absl::Hours(8), absl::Minutes(5)},
      {absl::Hours(23), absl::Minutes(15)},
      {kDay, absl::Hours(1)},
      {2 * kDay, absl::Hours(1)},
      {7 * kDay, absl::Hours(2)},
      {14 * kDay, absl::Hours(3)},
      {30 * kDay, absl::Hours(6)},
      {31 * kDay, absl::Hours(12)},
      {90 * kDay, kDay},
      {120 * kDay, kDay},
      {121 * kDay, 2 * kDay},
      {241 * kDay, 7 * kDay},
      {400 * kDay, 7 * kDay},
  };
  for (const auto& each : cases) {
    const ReportPeriod period = MakeReportPeriod(kNow - each.span, kNow, absl::ZeroDuration());
    EXPECT_EQ(period.bucket, each.bucket) << each.span;
    EXPECT_LE(period.buckets(), 121) << each.span;
  }
}

TEST(ReportPeriodTest, AFewAreEnoughFromAHalfMinuteOn) {
  for (absl::Duration span = absl::Seconds(24); span < 400 * kDay; span *= 1.01) {
    const ReportPeriod period = MakeReportPeriod(kNow - span, kNow, absl::ZeroDuration());
    EXPECT_GE(period.buckets(), 24) << span;
    EXPECT_LE(period.buckets(), 121) << span;
  }
}

TEST(ReportPeriodTest, BeginsWithAWholeBucket) {
  const struct {
    absl::Duration bucket;
    std::string since;
    int64_t buckets;
  } cases[] = {
      {absl::Hours(1), "2026-11-25T10:00:00Z", 25},
      {kDay, "2026-11-25T00:00:00Z", 2},
      {7 * kDay, "2026-11-23T00:00:00Z", 1},  // a Monday
      {absl::Minutes(90), "2026-11-25T09:00:00Z", 17},
  };
  for (const auto& each : cases) {
    const ReportPeriod period = MakeReportPeriod(kNow - kDay, kNow, each.bucket);
    EXPECT_EQ(period.since, At(each.since)) << each.bucket;
    EXPECT_EQ(period.until, kNow);
    EXPECT_EQ(period.buckets(), each.buckets) << each.bucket;
    EXPECT_EQ(period.BeginOf(period.buckets() - 1),
              At(each.since) + (each.buckets - 1) * each.bucket);
  }
}

TEST(ReportPeriodTest, EndsWithTheLastBucketWhenItIsWhole) {
  const absl::Time end = At("2026-11-26T00:00:00Z");
  const ReportPeriod period = MakeReportPeriod(end - kDay, end, absl::Hours(1));
  EXPECT_EQ(period.buckets(), 24);
  EXPECT_FALSE(period.Has(end));
  EXPECT_TRUE(period.Has(end - absl::Nanoseconds(1)));
  EXPECT_EQ(period.IndexOf(end - absl::Nanoseconds(1)), 23);
  EXPECT_EQ(period.IndexOf(period.since), 0);
  EXPECT_FALSE(period.Has(period.since - absl::Nanoseconds(1)));
}

TEST(ReportPeriodTest, MayLieBeforeUnixTime) {
  const absl::Time end = At("1960-01-01T00:30:00Z");
  const ReportPeriod period = MakeReportPeriod(end - kDay, end, absl::Hours(1));
  EXPECT_EQ(period.since, At("1959-12-31T00:00:00Z"));
  EXPECT_EQ(period.buckets(), 25);
}

class ReportTest : public testing::Test {
 protected:
  // Ends `at` after the beginning, having run for `took`, and waited as long before.
  Job Ended(JobState state, absl::Duration at, absl::Duration took = absl::Seconds(10)) {
    Job job;
    job.id = JobId{++ids_};
    job.pipeline = "enrich";
    job.state = state;
    job.attempts = 1;
    job.executor = "vm-c-1";
    job.host = "vm-c";
    job.finished_at = period_.since + at;
    job.started_at = job.finished_at - took;
    job.created_at = job.started_at - took;
    return job;
  }
  Job Ended(const std::string& pipeline, absl::Duration at = absl::Hours(1)) {
    Job job = Ended(JobState::kSucceeded, at);
    job.pipeline = pipeline;
    return job;
  }
  Load Logged(const std::string& datasource, absl::Duration at, int64_t records,
              int64_t increment) {
    return {.id = ++ids_,
            .job = "sales-load",
            .type = "load",
            .datasource = datasource,
            .records = records,
            .increment = increment,
            .at = period_.since + at};
  }
  ReportNumbers Finish() { return std::move(report_).Finish(); }

  const ReportPeriod period_ =
      MakeReportPeriod(At("2026-11-25T00:00:00Z"), At("2026-11-26T00:00:00Z"), absl::Hours(1));
  Report report_{period_};
  int64_t ids_ = 0;
};

TEST_F(ReportTest, NothingIsEmptyBuckets) {
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.buckets.size(), 24u);
  for (const ReportBucket& bucket : numbers.buckets) EXPECT_EQ(bucket.jobs.jobs(), 0);
  EXPECT_EQ(numbers.totals.jobs.jobs(), 0);
  EXPECT_TRUE(numbers.pipelines.empty() && numbers.sources.empty() && numbers.failures.empty());
}

TEST_F(ReportTest, CountsJobsWhereTheyEnded) {
  report_.Add(Ended(JobState::kSucceeded, absl::ZeroDuration()));
  report_.Add(Ended(JobState::kSucceeded, absl::Minutes(59)));
  report_.Add(Ended(JobState::kFailed, absl::Hours(1)));
  report_.Add(Ended(JobState::kCancelled, kDay - absl::Nanoseconds(1)));
  // Not of the period.
  report_.Add(Ended(JobState::kSucceeded, -absl::Nanoseconds(1)));
  report_.Add(Ended(JobState::kSucceeded, kDay));
  for (const JobState state : {JobState::kScheduled, JobState::kAvailable, JobState::kRunning,
                               JobState::kPublishing, JobState::kRetrying}) {
    report_.Add(Ended(state, absl::Hours(2)));
  }
  const ReportNumbers numbers = Finish();
  EXPECT_EQ(numbers.buckets[0].jobs.succeeded, 2);
  EXPECT_EQ(numbers.buckets[0].jobs.jobs(), 2);
  EXPECT_EQ(numbers.buckets[1].jobs.failed, 1);
  EXPECT_EQ(numbers.buckets[2].jobs.jobs(), 0);
  EXPECT_EQ(numbers.buckets[23].jobs.cancelled, 1);
  EXPECT_EQ(numbers.totals.jobs.succeeded, 2);
  EXPECT_EQ(numbers.totals.jobs.failed, 1);
  EXPECT_EQ(numbers.totals.jobs.cancelled, 1);
  EXPECT_EQ(numbers.totals.jobs.attempts, 4);
}

TEST_F(ReportTest, MeasuresWhatHasSucceeded) {
  report_.Add(Ended(JobState::kSucceeded, absl::Hours(5), absl::Seconds(7)));
  report_.Add(Ended(JobState::kFailed, absl::Hours(5), absl::Hours(1)));
  Job never_started = Ended(JobState::kSucceeded, absl::Hours(5));
  never_started.started_at = absl::InfinitePast();
  report_.Add(never_started);
  const ReportNumbers numbers = Finish();
  const JobStatistics& jobs = numbers.buckets[5].jobs;
  EXPECT_EQ(jobs.duration.count(), 1);
  EXPECT_EQ(jobs.duration.Quantile(0.5), absl::Seconds(7));
  EXPECT_EQ(jobs.total.count(), 2);
  EXPECT_EQ(jobs.total.max(), absl::Seconds(20));
}

TEST_F(ReportTest, TellsPipelinesApart) {
  report_.Add(Ended("b", absl::Hours(3)));
  report_.Add(Ended("b", absl::Hours(1)));
  Job failed = Ended("a", absl::Hours(2));
  failed.state = JobState::kFailed;
  report_.Add(failed);
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.pipelines.size(), 2u);
  EXPECT_EQ(numbers.pipelines[0].name, "a");
  EXPECT_EQ(numbers.pipelines[0].failed_at, period_.since + absl::Hours(2));
  EXPECT_EQ(numbers.pipelines[0].succeeded_at, absl::InfinitePast());
  EXPECT_EQ(numbers.pipelines[1].jobs.succeeded, 2);
  EXPECT_EQ(numbers.pipelines[1].succeeded_at, period_.since + absl::Hours(3));
  EXPECT_EQ(numbers.rest.pipelines, 0);
}

TEST_F(ReportTest, ListsTheLargestPipelinesAndSumsUpTheRest) {
  for (size_t i = 0; i < kReportPipelinesMax + 3; ++i) {
    report_.Add(Ended(absl::StrCat("p", 1000 + i)));
    if (i >= 3) report_.Add(Ended(absl::StrCat("p", 1000 + i)));
  }
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.pipelines.size(), kReportPipelinesMax);
  EXPECT_EQ(numbers.pipelines.front().name, "p1003");
  EXPECT_EQ(numbers.rest.pipelines, 3);
  EXPECT_EQ(numbers.rest.jobs.succeeded, 3);
  EXPECT_EQ(numbers.rest.jobs.duration.count(), 3);
}

TEST_F(ReportTest, MoreNamesThanItKeepsAreInTheSums) {
  for (size_t i = 0; i < kReportNamesMax + 5; ++i) report_.Add(Ended(absl::StrCat("p", i)));
  const ReportNumbers numbers = Finish();
  EXPECT_EQ(numbers.pipelines.size(), kReportPipelinesMax);
  EXPECT_EQ(numbers.rest.pipelines, kReportNamesMax - kReportPipelinesMax);
  EXPECT_EQ(numbers.rest.jobs.succeeded, kReportNamesMax + 5 - kReportPipelinesMax);
  EXPECT_EQ(numbers.totals.jobs.succeeded, kReportNamesMax + 5);
}

TEST_F(ReportTest, KeepsTheNewestFailuresInWhateverOrderTheyCome) {
  for (int i = 0; i < 60; ++i) {
    // 0, 7, 14 ... 59 minutes, each once.
    report_.Add(Ended(JobState::kFailed, absl::Minutes(i * 7 % 60)));
  }
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.failures.size(), kReportFailuresMax);
  for (size_t i = 0; i < kReportFailuresMax; ++i) {
    EXPECT_EQ(numbers.failures[i].finished_at, period_.since + absl::Minutes(59 - i));
  }
  EXPECT_EQ(numbers.totals.jobs.failed, 60);
}

TEST_F(ReportTest, CountsWhatExecutorsDid) {
  report_.Add(Ended(JobState::kSucceeded, absl::Hours(2), absl::Minutes(1)));
  Job moved = Ended(JobState::kFailed, absl::Hours(3), absl::Minutes(2));
  moved.host = "vm-d";
  report_.Add(moved);
  report_.Add(Ended(JobState::kSucceeded, absl::Hours(1), absl::Minutes(4)));
  Job nobodys = Ended(JobState::kCancelled, absl::Hours(1));
  nobodys.executor = "";
  report_.Add(nobodys);
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.executors.size(), 1u);
  EXPECT_EQ(numbers.executors[0].host, "vm-d");
  EXPECT_EQ(numbers.executors[0].jobs.jobs(), 3);
  EXPECT_EQ(numbers.executors[0].busy, absl::Minutes(7));
}

TEST_F(ReportTest, FollowsTheMarksOfDataSources) {
  report_.Add(Logged("sales", absl::Minutes(70), 5, 30));
  report_.Add(Logged("sales", absl::Minutes(61), 4, 20));
  report_.Add(Logged("sales", absl::ZeroDuration(), 3, -10));
  report_.Add(Logged("sales", -absl::Seconds(1), 100, -20));
  report_.Add(Logged("sales", kDay, 100, 99));
  report_.Add(Logged("prices", absl::Hours(4), 1, 1));
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.sources.size(), 2u);
  EXPECT_EQ(numbers.sources[0].key.datasource, "prices");
  const SourceReport& sales = numbers.sources[1];
  EXPECT_EQ(sales.loads, 3);
  EXPECT_EQ(sales.records, 12);
  EXPECT_EQ(sales.increment, 30);
  EXPECT_EQ(sales.at, period_.since + absl::Minutes(70));
  ASSERT_EQ(sales.points.size(), 2u);
  EXPECT_EQ(sales.points.at(0).increment, -10);
  EXPECT_EQ(sales.points.at(1).increment, 30);
  EXPECT_EQ(sales.points.at(1).records, 9);
  EXPECT_EQ(numbers.totals.loads, 4);
  EXPECT_EQ(numbers.totals.records, 13);
  EXPECT_EQ(numbers.buckets[1].records, 9);
}

TEST_F(ReportTest, SumsOfRecordsStayAtTheirEnd) {
  for (int i = 0; i < 3; ++i) {
    report_.Add(Logged("sales", absl::Hours(1), std::numeric_limits<int64_t>::max() - 1, i));
  }
  const ReportNumbers numbers = Finish();
  EXPECT_EQ(numbers.totals.records, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(numbers.sources[0].records, std::numeric_limits<int64_t>::max());
}

TEST_F(ReportTest, TheNewestOfLoadsOfOneMomentHasTheLargestId) {
  Load first = Logged("sales", absl::Hours(1), 1, 10);
  Load second = Logged("sales", absl::Hours(1), 1, 20);
  report_.Add(second);
  report_.Add(first);
  EXPECT_EQ(Finish().sources[0].increment, 20);
}

TEST_F(ReportTest, ListsTheBusiestSourcesAndSumsUpTheRest) {
  for (size_t i = 0; i < kReportSourcesKeptMax + 7; ++i) {
    report_.Add(Logged(absl::StrCat("s", 10'000 + i), absl::Hours(1), 2, 1));
  }
  report_.Add(Logged("s10900", absl::Hours(2), 2, 1));
  const ReportNumbers numbers = Finish();
  ASSERT_EQ(numbers.sources.size(), kReportSourcesMax);
  EXPECT_EQ(numbers.sources.back().key.datasource, "s10900");
  EXPECT_EQ(numbers.rest.sources, kReportSourcesKeptMax - kReportSourcesMax);
  EXPECT_EQ(numbers.rest.loads, kReportSourcesKeptMax - kReportSourcesMax + 7);
  EXPECT_EQ(numbers.rest.records, 2 * numbers.rest.loads);
  EXPECT_EQ(numbers.totals.loads, kReportSourcesKeptMax + 8);
}

}  // namespace
}  // namespace closewrite
