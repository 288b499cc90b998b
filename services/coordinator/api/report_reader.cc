#include "services/coordinator/api/report_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "services/config/duration.h"
#include "services/coordinator/api/violations.h"
#include "services/coordinator/convert.h"
#include "services/coordinator/core/waiting.h"
#include "services/log/str_cat.h"

namespace closewrite {
namespace {

constexpr double kMedian = 0.5;
constexpr double kP95 = 0.95;

void Show(const DurationHistogram& histogram, v1::ReportQuantiles* shown) {
  shown->set_count(histogram.count());
  *shown->mutable_median() = ToProto(histogram.Quantile(kMedian));
  *shown->mutable_p95() = ToProto(histogram.Quantile(kP95));
  *shown->mutable_max() = ToProto(histogram.max());
}

void Show(const JobStatistics& jobs, v1::ReportStatistics* shown) {
  shown->set_succeeded(jobs.succeeded);
  shown->set_failed(jobs.failed);
  shown->set_cancelled(jobs.cancelled);
  shown->set_attempts(jobs.attempts);
  if (jobs.duration.count() > 0) Show(jobs.duration, shown->mutable_duration());
  if (jobs.total.count() > 0) Show(jobs.total, shown->mutable_total());
}

void Show(const PipelineReport& pipeline, v1::ReportPipeline* shown) {
  shown->set_name(pipeline.name);
  Show(pipeline.jobs, shown->mutable_jobs());
  if (pipeline.succeeded_at != absl::InfinitePast()) {
    SetTime(pipeline.succeeded_at, shown->mutable_succeeded_at());
  }
  if (pipeline.failed_at != absl::InfinitePast()) {
    SetTime(pipeline.failed_at, shown->mutable_failed_at());
  }
}

void Show(const ExecutorReport& executor, v1::ReportExecutor* shown) {
  shown->set_name(executor.name);
  shown->set_host(executor.host);
  Show(executor.jobs, shown->mutable_jobs());
  *shown->mutable_busy() = ToProto(executor.busy);
}

void Show(const SourceReport& source, v1::ReportSource* shown) {
  shown->set_job(source.key.job);
  shown->set_type(source.key.type);
  shown->set_datasource(source.key.datasource);
  shown->set_loads(source.loads);
  shown->set_records(source.records);
  shown->set_increment(source.increment);
  SetTime(source.at, shown->mutable_at());
  for (const auto& [bucket, loads] : source.points) {
    v1::ReportLoads* const point = shown->add_points();
    point->set_bucket(static_cast<int32_t>(bucket));
    point->set_loads(loads.loads);
    point->set_records(loads.records);
    point->set_increment(loads.increment);
  }
}

void Show(const ReportRest& rest, v1::ReportRest* shown) {
  shown->set_pipelines(rest.pipelines);
  Show(rest.jobs, shown->mutable_jobs());
  shown->set_sources(rest.sources);
  shown->set_loads(rest.loads);
  shown->set_records(rest.records);
  shown->set_executors(rest.executors);
}

void Show(const ReportPeriod& period, const ReportNumbers& numbers,
          v1::GetReportResponse* response) {
  SetTime(period.since, response->mutable_since());
  SetTime(period.until, response->mutable_until());
  *response->mutable_bucket() = ToProto(period.bucket);
  for (size_t i = 0; i < numbers.buckets.size(); ++i) {
    v1::ReportBucket* const shown = response->add_buckets();
    SetTime(period.BeginOf(static_cast<int64_t>(i)), shown->mutable_begin());
    Show(numbers.buckets[i].jobs, shown->mutable_jobs());
    shown->set_loads(numbers.buckets[i].loads);
    shown->set_records(numbers.buckets[i].records);
  }
  Show(numbers.totals.jobs, response->mutable_jobs());
  response->set_loads(numbers.totals.loads);
  response->set_records(numbers.totals.records);
  for (const PipelineReport& each : numbers.pipelines) Show(each, response->add_pipelines());
  for (const SourceReport& each : numbers.sources) Show(each, response->add_sources());
  for (const ExecutorReport& each : numbers.executors) Show(each, response->add_executors());
  for (Job job : numbers.failures) {
    job.outputs.clear();  // there may be thousands
    *response->add_failures() = ToProto(job, nullptr, Waiting{}, nullptr);
  }
  Show(numbers.rest, response->mutable_rest());
}

// Hands rows over page by page, each read by itself: newest first, at most `rows_max`. `since` is
// set to the time of the last one when there are more.
template <class Row, class Place, class List, class PlaceOf>
absl::Status ReadAll(Store& store, Place place, int64_t rows_max, int64_t rows_per_read,
                     absl::FunctionRef<bool()> go_on, List list, PlaceOf place_of, Report* report,
                     absl::Time* since) {
  for (int64_t left = rows_max;;) {
    if (!go_on()) return absl::CancelledError("nobody waits for the report any more");
    std::vector<Row> rows;
    // Of the row behind the last one that counts it is only seen that it is there.
    const int64_t wanted = std::min(left + 1, rows_per_read);
    absl::Status read = store.Read([&](StoreReader& reader) {
      rows = list(reader, place, wanted);
      return absl::OkStatus();
    });
    if (!read.ok()) return read;
    for (const Row& row : rows) {
      if (left == 0) return absl::OkStatus();
      report->Add(row);
      place = place_of(row, since);
      --left;
    }
    if (static_cast<int64_t>(rows.size()) < wanted) {
      *since = absl::InfinitePast();
      return absl::OkStatus();
    }
  }
}

}  // namespace

absl::StatusOr<ReportPeriod> ReportPeriodOf(const v1::GetReportRequest& request, absl::Time now) {
  Violations wrong;
  absl::Time until = now;
  if (request.has_until()) until = std::min(FromProto(request.until()), now);
  const absl::Time since =
      request.has_since() ? FromProto(request.since()) : until - kReportPeriodDefault;
  const absl::Duration span = until - since;
  if (span <= absl::ZeroDuration()) wrong.Add("since", "must be before `until`, and before now");
  if (span > kReportPeriodMax) wrong.Add("since", "can be at most 400 days before `until`");
  absl::Duration bucket;
  if (request.has_bucket()) {
    bucket = FromProto(request.bucket());
    if (bucket < absl::Seconds(1) || request.bucket().nanos() != 0) {
      wrong.Add("bucket", "use whole seconds, at least one");
    } else if (span / bucket >= kReportBucketsMax) {
      wrong.Add("bucket", StrCat("makes more than ", kReportBucketsMax,
                                 " buckets; use a longer "
                                 "one, or a shorter period"));
    } else if (bucket > kReportPeriodMax) {
      wrong.Add("bucket", "can be at most 400 days");
    }
  }
  if (!wrong.empty()) return wrong.ToStatus();
  return MakeReportPeriod(since, until, bucket);
}

absl::Status ReadReport(Store& store, const ReportPeriod& period, const ReportLimits& limits,
                        absl::FunctionRef<bool()> go_on, v1::GetReportResponse* response) {
  Report report(period);
  absl::Time jobs_since = absl::InfinitePast();
  absl::Status read = ReadAll<Job>(
      store, FinishedPlace{.finished_at = period.until, .id = {}}, limits.jobs_max,
      limits.rows_per_read, go_on,
      [&](StoreReader& reader, const FinishedPlace& before, int64_t limit) {
        return reader.ListFinished(period.since, before, limit);
      },
      [](const Job& job, absl::Time* since) {
        *since = job.finished_at;
        return FinishedPlace{job.finished_at, job.id};
      },
      &report, &jobs_since);
  if (!read.ok()) return read;
  absl::Time loads_since = absl::InfinitePast();
  read = ReadAll<Load>(
      store, LoadPlace{.at = period.until, .id = 0}, limits.loads_max, limits.rows_per_read, go_on,
      [&](StoreReader& reader, const LoadPlace& before, int64_t limit) {
        return reader.ListLoads({.job = "", .datasource = "", .since = period.since}, before,
                                limit);
      },
      [](const Load& load, absl::Time* since) {
        *since = load.at;
        return LoadPlace{load.at, load.id};
      },
      &report, &loads_since);
  if (!read.ok()) return read;
  if (jobs_since != absl::InfinitePast()) SetTime(jobs_since, response->mutable_jobs_since());
  if (loads_since != absl::InfinitePast()) SetTime(loads_since, response->mutable_loads_since());
  Show(period, std::move(report).Finish(), response);
  return absl::OkStatus();
}

}  // namespace closewrite
