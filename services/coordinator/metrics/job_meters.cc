#include "services/coordinator/metrics/job_meters.h"

#include <algorithm>

#include "closewrite/v1/job.pb.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/metrics/api_names.h"

namespace closewrite {
namespace {

constexpr double kWaitBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,  1,
                                  5,     15,   60,    300,  1800, 7200, 43200};
constexpr double kAttemptBounds[] = {0.01, 0.05, 0.1, 0.5,  1,     5,    15,
                                     60,   300,  900, 3600, 14400, 43200};

}  // namespace

JobMeters::Meters::Meters()
    : attempts(kAttemptBounds), to_start(kWaitBounds), to_result(kWaitBounds) {}

void JobMeters::Take(const JobMeasure& measure) {
  Meters& meters = pipelines_[measure.pipeline];
  meters.made += measure.made;
  meters.leased += measure.leased;
  meters.cpu += measure.cpu;
  if (measure.outcome.has_value()) {
    ++meters.outcomes[static_cast<size_t>(*measure.outcome)];
    meters.attempts.Observe(absl::ToDoubleSeconds(measure.attempt));
  }
  if (measure.to_start.has_value()) {
    meters.to_start.Observe(absl::ToDoubleSeconds(*measure.to_start));
  }
  if (measure.to_result.has_value()) {
    meters.to_result.Observe(absl::ToDoubleSeconds(*measure.to_result));
  }
  if (!measure.end.has_value()) return;
  ++meters.ended[static_cast<size_t>(*measure.end)];
  if (*measure.end == JobState::kSucceeded) {
    meters.succeeded_at = std::max(meters.succeeded_at, measure.at);
  }
}

std::map<std::string, absl::Time> JobMeters::Successes() const {
  std::map<std::string, absl::Time> times;
  for (const auto& [pipeline, meters] : pipelines_) {
    if (meters.succeeded_at != absl::InfinitePast()) times[pipeline] = meters.succeeded_at;
  }
  return times;
}

void JobMeters::AppendTimes(const MetricLabels& labels, const Meters& meters, MetricList* list) {
  const auto add = [&](const char* name, const char* help, const Histogram& histogram) {
    if (histogram.count() > 0) list->Add(name, help, labels, histogram);
  };
  add("attempt_duration_seconds", "From an attempt's lease to its end, its results in place.",
      meters.attempts);
  add("close_to_start_seconds",
      "From the event, or when a task was due, to the start of the first attempt's command.",
      meters.to_start);
  add("close_to_result_seconds", "From the event, or when a task was due, to the published result.",
      meters.to_result);
}

void JobMeters::Append(MetricList* list) const {
  static const auto& outcomes = *new auto(ApiNames(v1::AttemptOutcome_descriptor()));
  for (const auto& [pipeline, meters] : pipelines_) {
    const MetricLabels labels = {{"pipeline", pipeline}};
    list->Counter("jobs_made_total", "Jobs that were made.", labels, meters.made);
    list->Counter("leases_total", "Leases that were given to executors.", labels, meters.leased);
    list->Counter("attempt_cpu_seconds_total",
                  "Time of the processor that the commands of ended attempts have used.", labels,
                  absl::ToDoubleSeconds(meters.cpu));
    for (const JobState end : {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
      list->Counter("jobs_finished_total", "Jobs that came to an end.",
                    {{"pipeline", pipeline}, {"outcome", StateName(end)}},
                    meters.ended[static_cast<size_t>(end)]);
    }
    for (const auto& [number, name] : outcomes) {
      list->Counter("attempts_total", "Attempts that have ended.",
                    {{"pipeline", pipeline}, {"outcome", name}}, meters.outcomes.at(number));
    }
    AppendTimes(labels, meters, list);
  }
}

}  // namespace closewrite
