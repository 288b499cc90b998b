// Counts and times of jobs and their attempts, by pipeline.
#ifndef SERVICES_COORDINATOR_METRICS_JOB_METERS_H_
#define SERVICES_COORDINATOR_METRICS_JOB_METERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "services/coordinator/core/job_measure.h"
#include "services/metrics/histogram.h"
#include "services/metrics/label_map.h"
#include "services/metrics/metric.h"

namespace closewrite {

// Not thread-safe.
class JobMeters {
 public:
  // Costs less than a microsecond.
  void Take(const JobMeasure& measure);
  // The label that stands for a pipeline. Its counts are shown from now on, though they be zero: a
  // counter whose first value is 1 has not risen, as Prometheus sees it.
  const std::string& LabelOf(const std::string& pipeline) { return pipelines_.LabelOf(pipeline); }
  // When a job of each succeeded last, since this process was started; by label.
  std::map<std::string, absl::Time> Successes() const;

  void Append(MetricList* list) const;

 private:
  struct Meters {
    Meters();
    int64_t made = 0;
    int64_t leased = 0;
    std::array<int64_t, 9> ended = {};             // by JobState
    std::array<int64_t, kOutcomes> outcomes = {};  // by Outcome
    absl::Duration cpu;
    Histogram attempts;
    Histogram to_start;
    Histogram to_result;
    absl::Time succeeded_at = absl::InfinitePast();
  };

  static void AppendTimes(const MetricLabels& labels, const Meters& meters, MetricList* list);

  LabelMap<Meters> pipelines_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_JOB_METERS_H_
