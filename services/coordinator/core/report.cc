#include "services/coordinator/core/report.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace closewrite {
namespace {

constexpr int64_t kBucketsWantedMax = 120;
constexpr absl::Duration kDay = absl::Hours(24);
// The first Monday of Unix time, so that weeks begin on Mondays.
constexpr absl::Time kOrigin = absl::FromUnixSeconds(int64_t{4} * 86'400);

constexpr absl::Duration kSteps[] = {absl::Seconds(1),   absl::Seconds(5), absl::Seconds(15),
                                     absl::Minutes(1),   absl::Minutes(5), absl::Minutes(15),
                                     absl::Hours(1),     absl::Hours(2),   absl::Hours(3),
                                     absl::Hours(6),     absl::Hours(12),  kDay,
                                     absl::Hours(2 * 24)};
constexpr absl::Duration kStepMax = absl::Hours(7 * 24);

// From a day on, whole hours and days.
absl::Duration BucketFor(absl::Duration span) {
  for (const absl::Duration step : kSteps) {
    if (span >= kDay && step < absl::Hours(1)) continue;
    if (span <= step * kBucketsWantedMax) return step;
  }
  return kStepMax;
}

// The entry of `key`, or null when it is not there and there are `kept_max` others.
template <class Map>
typename Map::mapped_type* Entry(Map& map, const typename Map::key_type& key, size_t kept_max) {
  const auto found = map.find(key);
  if (found != map.end()) return &found->second;
  return map.size() < kept_max ? &map[key] : nullptr;
}

// The `listed_max` entries with the largest `size`, in order of their keys; the others go to
// `leave_out`.
template <class Map, class Size, class LeaveOut>
std::vector<typename Map::mapped_type> Largest(Map& map, size_t listed_max, Size size,
                                               LeaveOut leave_out) {
  using Value = typename Map::mapped_type;
  std::vector<Value*> values;
  values.reserve(map.size());
  for (auto& [key, value] : map) values.push_back(&value);
  std::vector<Value*> largest = values;
  // Of those of one size the first ones by key.
  std::stable_sort(largest.begin(), largest.end(),
                   [&](const Value* a, const Value* b) { return size(*a) > size(*b); });
  largest.resize(std::min(largest.size(), listed_max));
  std::sort(largest.begin(), largest.end());
  std::vector<Value> listed;
  for (Value* value : values) {
    if (std::binary_search(largest.begin(), largest.end(), value)) {
      listed.push_back(std::move(*value));
    } else {
      leave_out(*value);
    }
  }
  return listed;
}

// Scripts may say that they have loaded anything.
void AddRecords(int64_t records, int64_t* sum) {
  if (__builtin_add_overflow(*sum, records, sum)) *sum = std::numeric_limits<int64_t>::max();
}

bool Started(const Job& job) { return job.started_at != absl::InfinitePast(); }

bool EndsLater(const Job& a, const Job& b) {
  return std::tie(a.finished_at, a.id.value) > std::tie(b.finished_at, b.id.value);
}

}  // namespace

int64_t ReportPeriod::buckets() const {
  return absl::ToInt64Seconds(absl::Ceil(until - since, bucket)) / absl::ToInt64Seconds(bucket);
}

int64_t ReportPeriod::IndexOf(absl::Time time) const {
  absl::Duration rest;
  return absl::IDivDuration(time - since, bucket, &rest);
}

ReportPeriod MakeReportPeriod(absl::Time since, absl::Time until, absl::Duration bucket) {
  if (bucket == absl::ZeroDuration()) bucket = BucketFor(until - since);
  return {kOrigin + absl::Floor(since - kOrigin, bucket), until, bucket};
}

void JobStatistics::Add(const Job& job) {
  attempts += job.attempts;
  if (job.state == JobState::kFailed) ++failed;
  if (job.state == JobState::kCancelled) ++cancelled;
  if (job.state != JobState::kSucceeded) return;
  ++succeeded;
  if (Started(job)) duration.Add(job.finished_at - job.started_at);
  if (job.created_at != absl::InfinitePast()) total.Add(job.finished_at - job.created_at);
}

void JobStatistics::Merge(const JobStatistics& other) {
  succeeded += other.succeeded;
  failed += other.failed;
  cancelled += other.cancelled;
  attempts += other.attempts;
  duration.Merge(other.duration);
  total.Merge(other.total);
}

Report::Report(const ReportPeriod& period) : period_(period) {
  numbers_.buckets.resize(static_cast<size_t>(period.buckets()));
}

void Report::Add(const Job& job) {
  if (!IsFinal(job.state) || !period_.Has(job.finished_at)) return;
  numbers_.buckets[static_cast<size_t>(period_.IndexOf(job.finished_at))].jobs.Add(job);
  numbers_.totals.jobs.Add(job);
  if (job.state == JobState::kFailed) AddFailure(job);
  if (PipelineReport* const pipeline = Entry(pipelines_, job.pipeline, kReportNamesMax)) {
    pipeline->name = job.pipeline;
    pipeline->jobs.Add(job);
    if (job.state == JobState::kSucceeded) {
      pipeline->succeeded_at = std::max(pipeline->succeeded_at, job.finished_at);
    } else if (job.state == JobState::kFailed) {
      pipeline->failed_at = std::max(pipeline->failed_at, job.finished_at);
    }
  } else {
    numbers_.rest.jobs.Add(job);
  }
  if (job.executor.empty()) return;
  if (ExecutorReport* const executor = Entry(executors_, job.executor, kReportNamesMax)) {
    executor->name = job.executor;
    executor->jobs.Add(job);
    if (Started(job)) {
      executor->busy += std::max(job.finished_at - job.started_at, absl::ZeroDuration());
    }
    if (job.finished_at >= executor->host_at) {
      executor->host_at = job.finished_at;
      executor->host = job.host;
    }
  }
}

void Report::AddFailure(const Job& job) {
  std::vector<Job>& kept = numbers_.failures;
  if (kept.size() == kReportFailuresMax && !EndsLater(job, kept.back())) return;
  kept.insert(std::upper_bound(kept.begin(), kept.end(), job, EndsLater), job);
  if (kept.size() > kReportFailuresMax) kept.pop_back();
}

void Report::Add(const Load& load) {
  if (!period_.Has(load.at)) return;
  const int64_t index = period_.IndexOf(load.at);
  for (ReportBucket* bucket : {&numbers_.buckets[static_cast<size_t>(index)], &numbers_.totals}) {
    ++bucket->loads;
    AddRecords(load.records, &bucket->records);
  }
  const IncrementKey key{load.job, load.type, load.datasource};
  SourceReport* const source = Entry(sources_, key, kReportSourcesKeptMax);
  if (source == nullptr) {
    ++numbers_.rest.loads;
    AddRecords(load.records, &numbers_.rest.records);
    return;
  }
  source->key = key;
  ++source->loads;
  AddRecords(load.records, &source->records);
  if (std::tie(load.at, load.id) > std::tie(source->at, source->newest_id)) {
    source->at = load.at;
    source->newest_id = load.id;
    source->increment = load.increment;
  }
  const auto [point, fresh] = source->points.try_emplace(index);
  LoadsReport& loads = point->second;
  ++loads.loads;
  AddRecords(load.records, &loads.records);
  loads.increment = fresh ? load.increment : std::max(loads.increment, load.increment);
}

ReportNumbers Report::Finish() && {
  ReportRest& rest = numbers_.rest;
  const auto jobs_of = [](const auto& each) { return each.jobs.jobs(); };
  numbers_.pipelines =
      Largest(pipelines_, kReportPipelinesMax, jobs_of, [&](const PipelineReport& pipeline) {
        ++rest.pipelines;
        rest.jobs.Merge(pipeline.jobs);
      });
  numbers_.executors = Largest(executors_, kReportExecutorsMax, jobs_of,
                               [&](const ExecutorReport&) { ++rest.executors; });
  numbers_.sources = Largest(
      sources_, kReportSourcesMax, [](const SourceReport& source) { return source.loads; },
      [&](const SourceReport& source) {
        ++rest.sources;
        rest.loads += source.loads;
        AddRecords(source.records, &rest.records);
      });
  return std::move(numbers_);
}

}  // namespace closewrite
