// How jobs and loads went over a period: fed with them one by one, in any order, it has the numbers
// that charts are made of. Pure.
#ifndef SERVICES_COORDINATOR_CORE_REPORT_H_
#define SERVICES_COORDINATOR_CORE_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/duration_histogram.h"
#include "services/coordinator/core/job.h"
#include "services/coordinator/core/monitoring.h"

namespace closewrite {

inline constexpr int64_t kReportBucketsMax = 1000;
// What is listed; the rest is summed up.
inline constexpr size_t kReportPipelinesMax = 100;
inline constexpr size_t kReportExecutorsMax = 100;
inline constexpr size_t kReportSourcesMax = 50;
inline constexpr size_t kReportFailuresMax = 20;
// What is kept apart until it is known which are listed. More than that is in the sums alone.
inline constexpr size_t kReportNamesMax = 20'000;
inline constexpr size_t kReportSourcesKeptMax = 1000;

// Buckets of equal width, which begin at multiples of it from a Monday, 0:00 UTC.
struct ReportPeriod {
  absl::Time since;  // where the first bucket begins
  absl::Time until;  // in the last one, or its end; not part of the period
  absl::Duration bucket;

  int64_t buckets() const;
  absl::Time BeginOf(int64_t index) const { return since + index * bucket; }
  bool Has(absl::Time time) const { return time >= since && time < until; }
  // Of a time that it has.
  int64_t IndexOf(absl::Time time) const;
  bool operator==(const ReportPeriod&) const = default;
};

// `since` < `until`, both finite; `since` is taken back to the beginning of its bucket. `bucket` 0:
// one that makes 24 to 120 of them, or fewer of a second when the period is that short.
ReportPeriod MakeReportPeriod(absl::Time since, absl::Time until, absl::Duration bucket);

struct JobStatistics {
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t attempts = 0;        // that counted
  DurationHistogram duration;  // of succeeded jobs: since the start of the last command
  DurationHistogram total;     // of succeeded jobs: since they were made

  int64_t jobs() const { return succeeded + failed + cancelled; }
  void Add(const Job& job);
  void Merge(const JobStatistics& other);
};

struct ReportBucket {
  JobStatistics jobs;
  int64_t loads = 0;
  int64_t records = 0;
};

struct PipelineReport {
  std::string name;
  JobStatistics jobs;
  absl::Time succeeded_at = absl::InfinitePast();  // the last time; infinite: never
  absl::Time failed_at = absl::InfinitePast();
};

struct ExecutorReport {
  std::string name;
  std::string host;  // as the newest of its jobs has it
  absl::Time host_at = absl::InfinitePast();
  JobStatistics jobs;
  absl::Duration busy;
};

// What a data source had come to in one bucket.
struct LoadsReport {
  int64_t loads = 0;
  int64_t records = 0;
  int64_t increment = 0;  // the highest
};

struct SourceReport {
  IncrementKey key;
  int64_t loads = 0;
  int64_t records = 0;
  int64_t increment = 0;  // of the newest load
  absl::Time at = absl::InfinitePast();
  int64_t newest_id = 0;
  std::map<int64_t, LoadsReport> points;  // by bucket; those that have loads
};

// What limits have left out of the lists. What was not kept apart is in the sums, and in none of
// the numbers of names.
struct ReportRest {
  int64_t pipelines = 0;
  JobStatistics jobs;
  int64_t sources = 0;
  int64_t loads = 0;
  int64_t records = 0;
  int64_t executors = 0;
};

struct ReportNumbers {
  std::vector<ReportBucket> buckets;
  ReportBucket totals;
  std::vector<PipelineReport> pipelines;  // those with the most jobs, by name
  std::vector<SourceReport> sources;      // those with the most loads, by key
  std::vector<ExecutorReport> executors;  // those with the most jobs, by name
  std::vector<Job> failures;              // the newest, newest first
  ReportRest rest;
};

// Not thread-safe. What does not belong to the period is not counted.
class Report {
 public:
  explicit Report(const ReportPeriod& period);

  // Final ones count, as what they are.
  void Add(const Job& job);
  void Add(const Load& load);

  // At the end.
  ReportNumbers Finish() &&;

 private:
  void AddFailure(const Job& job);

  const ReportPeriod period_;
  ReportNumbers numbers_;
  std::map<std::string, PipelineReport> pipelines_;
  std::map<std::string, ExecutorReport> executors_;
  std::map<IncrementKey, SourceReport> sources_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_CORE_REPORT_H_
