#include "services/cli/report_sample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr int64_t kUntil = 1'795'688'251;  // 2026-11-26 10:17:31 UTC
constexpr int64_t kWidth = 2 * 3600;
constexpr int kBuckets = 85;
constexpr int64_t kSince = kUntil / kWidth * kWidth - (kBuckets - 1) * kWidth;
// The third party was away for ten hours.
constexpr int kOutageBegin = 50;
constexpr int kOutageEnd = 55;
// Nobody worked at all while the hosts were upgraded.
constexpr int kUpgradeBegin = 30;
constexpr int kUpgradeEnd = 33;

void SetSeconds(double seconds, google::protobuf::Duration* duration) {
  const auto nanos = std::llround(seconds * 1e9);
  duration->set_seconds(nanos / 1'000'000'000);
  duration->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

void SetQuantiles(int64_t count, double median, double p95, v1::ReportQuantiles* quantiles) {
  quantiles->set_count(count);
  if (count == 0) return;
  SetSeconds(median, quantiles->mutable_median());
  SetSeconds(p95, quantiles->mutable_p95());
  SetSeconds(p95 * 1.7, quantiles->mutable_max());
}

void SetJobs(int64_t succeeded, int64_t failed, int64_t cancelled, double seconds,
             v1::ReportStatistics* jobs) {
  jobs->set_succeeded(succeeded);
  jobs->set_failed(failed);
  jobs->set_cancelled(cancelled);
  jobs->set_attempts(succeeded + failed * 5);
  SetQuantiles(succeeded, seconds, seconds * 4, jobs->mutable_duration());
  SetQuantiles(succeeded, seconds * 1.4, seconds * 9, jobs->mutable_total());
}

ReportPage Frame() {
  ReportPage page;
  page.coordinator = "vm-a:7400";
  page.version = "0.1.0";
  v1::GetReportResponse& report = page.report;
  report.mutable_at()->set_seconds(kUntil);
  report.mutable_since()->set_seconds(kSince);
  report.mutable_until()->set_seconds(kUntil);
  report.mutable_bucket()->set_seconds(kWidth);
  for (int i = 0; i < kBuckets; ++i) {
    report.add_buckets()->mutable_begin()->set_seconds(kSince + i * kWidth);
  }
  SetJobs(0, 0, 0, 0, report.mutable_jobs());
  return page;
}

// From 0 at night to 1 at noon.
double Daylight(int bucket) {
  const int64_t hour = (kSince + bucket * kWidth) / 3600 % 24;
  return 0.5 - 0.5 * std::cos((static_cast<double>(hour) + 1) / 24 * 2 * 3.14159265358979);
}

void FillBuckets(std::mt19937* random, v1::GetReportResponse* report) {
  std::uniform_real_distribution<double> noise(0.8, 1.2);
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  for (int i = 0; i < kBuckets; ++i) {
    v1::ReportBucket& bucket = *report->mutable_buckets(i);
    const bool outage = i >= kOutageBegin && i < kOutageEnd;
    const bool upgrade = i >= kUpgradeBegin && i < kUpgradeEnd;
    const double busy = Daylight(i) * noise(*random);
    const auto well = upgrade ? 0 : static_cast<int64_t>(20 + (outage ? 40 : 430) * busy);
    const int64_t bad = upgrade ? 0 : outage ? static_cast<int64_t>(150 * busy) : i % 11 == 3;
    const int64_t off = i % 17 == 5 ? 6 : 0;
    SetJobs(well, bad, off, (2.2 + busy) * (outage ? 9 : 1) * noise(*random),
            bucket.mutable_jobs());
    succeeded += well;
    failed += bad;
    cancelled += off;
  }
  SetJobs(succeeded, failed, cancelled, 2.9, report->mutable_jobs());
}

void AddPipelines(v1::GetReportResponse* report) {
  const v1::ReportStatistics& all = report->jobs();
  const struct {
    std::string name;
    double share;
    int64_t failed;
    double seconds;
  } pipelines[] = {
      {"archive", 0.22, 0, 0.4},          {"enrich", 0.55, all.failed() - 11, 4.1},
      {"invoices-to-text", 0.2, 8, 11},   {"task/feed", 0.02, 3, 61},
      {"task/sales-load", 0.01, 0, 1900},
  };
  for (const auto& each : pipelines) {
    v1::ReportPipeline& pipeline = *report->add_pipelines();
    pipeline.set_name(each.name);
    SetJobs(static_cast<int64_t>(static_cast<double>(all.succeeded()) * each.share), each.failed,
            each.name == "enrich" ? all.cancelled() : 0, each.seconds, pipeline.mutable_jobs());
    pipeline.mutable_succeeded_at()->set_seconds(kUntil - 11);
    if (each.failed > 0) pipeline.mutable_failed_at()->set_seconds(kUntil - 7000);
  }
}

void AddFailures(v1::GetReportResponse* report) {
  for (int i = 0; i < 6; ++i) {
    v1::Job& job = *report->add_failures();
    job.set_id(48'211 - 37 * i);
    job.set_pipeline(i == 2 ? "task/feed" : i == 4 ? "invoices-to-text" : "enrich");
    job.set_state(v1::JOB_STATE_FAILED);
    if (i != 2) {
      job.mutable_input()->set_volume("unenriched");
      job.mutable_input()->set_path(StrCat("2026/11/", 26 - i, "/orders-0", i, ".csv"));
    }
    job.set_attempts(5);
    job.set_executor(i % 2 == 0 ? "vm-c-1" : "vm-d-1");
    job.set_message(i == 4 ? "its time was up after 1h: timeout of the pipeline"
                           : "exit code 7: the API answered 503 Service Unavailable, try later");
    job.mutable_finished_at()->set_seconds(kUntil - 7000 - 5400 * i);
  }
}

void AddSource(const std::string& job, const std::string& datasource, int every, int64_t first,
               int64_t records, v1::GetReportResponse* report) {
  v1::ReportSource& source = *report->add_sources();
  source.set_job(job);
  source.set_type("load");
  source.set_datasource(datasource);
  int64_t mark = first;
  int64_t loaded = 0;
  for (int i = every / 2; i < kBuckets; i += every) {
    const int64_t some = records + records * (i * 7 % 5) / 4;
    mark += some;
    loaded += some;
    v1::ReportLoads& point = *source.add_points();
    point.set_bucket(i);
    point.set_loads(1);
    point.set_records(some);
    point.set_increment(mark);
    v1::ReportBucket& bucket = *report->mutable_buckets(i);
    bucket.set_loads(bucket.loads() + 1);
    bucket.set_records(bucket.records() + some);
    source.mutable_at()->set_seconds(kSince + i * kWidth + 600);
  }
  source.set_loads(source.points_size());
  source.set_records(loaded);
  source.set_increment(mark);
  report->set_loads(report->loads() + source.loads());
  report->set_records(report->records() + loaded);
}

void AddExecutors(ReportPage* page) {
  for (const char* name : {"vm-c-1", "vm-d-1", "vm-e-1"}) {
    v1::ReportExecutor& executor = *page->report.add_executors();
    executor.set_name(name);
    executor.set_host(std::string(name).substr(0, 4));
    const bool small = executor.host() == "vm-e";
    SetJobs(page->report.jobs().succeeded() / (small ? 10 : 3), page->report.jobs().failed() / 2,
            small ? 0 : 9, 3.1, executor.mutable_jobs());
    SetSeconds(small ? 9'000 : 61'000, executor.mutable_busy());
    if (small) continue;  // it has gone
    v1::ExecutorStatus& here = page->executors.emplace_back();
    here.set_name(name);
    here.set_host(executor.host());
    here.set_connected(true);
    here.set_slots(4);
    here.set_leases(executor.host() == "vm-c" ? 3 : 1);
  }
}

}  // namespace

ReportPage SampleReportPage() {
  ReportPage page = Frame();
  std::mt19937 random(11);
  FillBuckets(&random, &page.report);
  AddPipelines(&page.report);
  AddFailures(&page.report);
  AddSource("prices", "exchange rates", 12, 20'261'119, 310, &page.report);
  AddSource("sales-load", "customers", 12, 88'000, 240, &page.report);
  AddSource("sales-load", "sales", 2, 5'000'000'000, 4'100, &page.report);
  AddSource("web-log", "hits", 1, 1'795'083'451'000, 2'700, &page.report);
  AddExecutors(&page);
  const struct {
    v1::JobState state;
    int64_t count;
  } counts[] = {{v1::JOB_STATE_AVAILABLE, 17},
                {v1::JOB_STATE_RETRYING, 3},
                {v1::JOB_STATE_RUNNING, 4},
                {v1::JOB_STATE_FAILED, 212}};
  for (const auto& each : counts) {
    v1::JobCount& count = *page.overview.add_counts();
    count.set_pipeline("enrich");
    count.set_state(each.state);
    count.set_count(each.count);
  }
  return page;
}

ReportPage EmptyReportPage() { return Frame(); }

ReportPage HostileReportPage() {
  const std::string script = "<script>alert(1)</script>\"' onload='x' & \xff\x01\xc3\n\u202etxt";
  const std::string longest(256, 'W');
  ReportPage page = Frame();
  page.coordinator = script;
  page.version = script;
  v1::GetReportResponse& report = page.report;
  SetJobs(3, 2, 0, 1e-9, report.mutable_jobs());
  SetJobs(2, 1, 0, 1e-9, report.mutable_buckets(0)->mutable_jobs());
  SetJobs(1, 1, 0, 3e7, report.mutable_buckets(84)->mutable_jobs());
  for (const std::string& name : {script, longest}) {
    v1::ReportPipeline& pipeline = *report.add_pipelines();
    pipeline.set_name(name);
    SetJobs(1, 1, 0, 1, pipeline.mutable_jobs());
    v1::Job& job = *report.add_failures();
    job.set_pipeline(name);
    job.mutable_input()->set_volume(name);
    job.mutable_input()->set_path(name);
    job.set_message(StrCat(name, std::string(4096, 'm')));
    job.set_executor(name);
    v1::ReportExecutor& executor = *report.add_executors();
    executor.set_name(name);
    executor.set_host(name);
    SetJobs(1, 1, 0, 1, executor.mutable_jobs());
    v1::ReportSource& source = *report.add_sources();
    source.set_job(name);
    source.set_type(name);
    source.set_datasource(name);
    for (int i = 0; i < 2; ++i) {
      v1::ReportLoads& point = *source.add_points();
      point.set_bucket(i * 84);
      point.set_loads(1);
      point.set_records(std::numeric_limits<int64_t>::max() / 4);
      point.set_increment(i == 0 ? std::numeric_limits<int64_t>::min()
                                 : std::numeric_limits<int64_t>::max());
      report.mutable_buckets(i * 84)->set_records(std::numeric_limits<int64_t>::max() / 2);
      report.mutable_buckets(i * 84)->set_loads(2);
    }
    source.set_loads(2);
    source.set_records(std::numeric_limits<int64_t>::max() / 4);
    source.set_increment(std::numeric_limits<int64_t>::max());
  }
  // What a newer coordinator may say.
  v1::ReportLoads& point = *report.mutable_sources(0)->add_points();
  point.set_bucket(kBuckets + 5);
  report.set_loads(4);
  report.set_records(std::numeric_limits<int64_t>::max());
  report.mutable_jobs_since()->set_seconds(kSince + 3600);
  report.mutable_loads_since()->set_seconds(kSince + 7200);
  return page;
}

}  // namespace closewrite::cli
