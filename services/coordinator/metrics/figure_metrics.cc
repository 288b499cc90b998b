#include "services/coordinator/metrics/figure_metrics.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "closewrite/v1/alert.pb.h"
#include "closewrite/v1/job.pb.h"
#include "services/coordinator/core/job_rules.h"
#include "services/coordinator/metrics/api_names.h"
#include "services/metrics/label_map.h"

namespace closewrite {
namespace {

constexpr JobState kShownStates[] = {JobState::kScheduled, JobState::kAvailable,
                                     JobState::kRunning,   JobState::kPublishing,
                                     JobState::kRetrying,  JobState::kFailed};

using ByPipeline = std::map<std::string, absl::Duration>;

void AppendCounts(const StoreFigures& figures, const FigureContext& context, MetricList* list) {
  std::map<std::pair<std::string, JobState>, int64_t> counts;
  for (const std::string& pipeline : figures.pipelines) {
    for (const JobState state : kShownStates) counts[{context.labels.at(pipeline), state}];
  }
  for (const JobCount& count : figures.counts) {
    counts[{context.labels.at(count.pipeline), count.state}] += count.count;
  }
  for (const auto& [key, count] : counts) {
    list->Gauge("jobs", "Jobs that are not over, and those that are FAILED.",
                {{"pipeline", key.first}, {"state", StateName(key.second)}}, count);
  }
}

// The longest of each label.
void AppendAges(const char* name, const char* help, const ByPipeline& ages,
                const StoreFigures& figures, const FigureContext& context, MetricList* list) {
  ByPipeline longest;
  for (const std::string& pipeline : figures.pipelines) longest[context.labels.at(pipeline)];
  for (const auto& [pipeline, age] : ages) {
    absl::Duration& known = longest[context.labels.at(pipeline)];
    known = std::max(known, age);
  }
  for (const auto& [label, age] : longest) {
    list->Gauge(name, help, {{"pipeline", label}}, absl::ToDoubleSeconds(age));
  }
}

// The newest of each label.
void AppendTimes(const char* name, const char* help, const std::map<std::string, absl::Time>& times,
                 const FigureContext& context, MetricList* list) {
  std::map<std::string, absl::Time> newest;
  for (const auto& [pipeline, time] : times) {
    const auto [known, added] = newest.emplace(context.labels.at(pipeline), time);
    if (!added) known->second = std::max(known->second, time);
  }
  for (const auto& [label, time] : newest) {
    if (time == absl::InfinitePast()) continue;
    list->Gauge(name, help, {{"pipeline", label}}, absl::ToDoubleSeconds(time - absl::UnixEpoch()));
  }
}

// Of those that share a label none is known.
void AppendThresholds(const StoreFigures& figures, const FigureContext& context, MetricList* list) {
  static const auto& rules = *new auto(ApiNames(v1::AlertRule_descriptor()));
  for (const AlertThreshold& threshold : context.thresholds) {
    if (!figures.pipelines.contains(threshold.owner)) continue;
    const std::string& label = context.labels.at(threshold.owner);
    if (label != threshold.owner) continue;
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const auto& entry) {
      return entry.first == static_cast<size_t>(threshold.rule);
    });
    list->Gauge("alert_threshold_seconds", "What the pipeline's or task's own alarms ask for.",
                {{"pipeline", label}, {"rule", rule->second}},
                absl::ToDoubleSeconds(threshold.value));
  }
}

void AppendReasons(const StoreFigures& figures, MetricList* list) {
  static const auto& reasons = *new auto(ApiNames(v1::WaitingReason_descriptor()));
  for (const auto& [number, name] : reasons) {
    const auto oldest = figures.oldest_waiting.find(static_cast<WaitingReason>(number));
    const absl::Duration age =
        oldest == figures.oldest_waiting.end() ? absl::ZeroDuration() : oldest->second;
    list->Gauge("oldest_waiting_seconds",
                "How long the oldest job waits that waits for this reason; 0: none.",
                {{"reason", name}}, absl::ToDoubleSeconds(age));
  }
}

void AppendTasks(const StoreFigures& figures, MetricList* list) {
  list->Gauge("task_crash_loops", "For-ever tasks that fail again and again.", {},
              figures.crash_loops.size());
  const size_t shown = std::min(figures.crash_loops.size(), kLabelValuesMax);
  for (size_t i = 0; i < shown; ++i) {
    list->Gauge("task_crash_loop", "1 while the for-ever task fails again and again.",
                {{"task", figures.crash_loops[i]}}, 1);
  }
}

}  // namespace

void AppendFigures(const StoreFigures& figures, const FigureContext& context, MetricList* list) {
  AppendCounts(figures, context, list);
  AppendReasons(figures, list);
  AppendAges("pipeline_oldest_waiting_seconds",
             "How long the pipeline's oldest job waits for a slot, a lock or an executor; 0: none.",
             figures.oldest_available, figures, context, list);
  AppendAges("pipeline_oldest_running_seconds",
             "How long the pipeline's oldest command runs; 0: none.", figures.oldest_running,
             figures, context, list);
  AppendTimes("pipeline_last_success_timestamp_seconds",
              "When a job of the pipeline succeeded last, since 1970.", context.successes, context,
              list);
  AppendTimes("pipeline_applied_timestamp_seconds",
              "When the definition was applied last, since 1970.", figures.applied_at, context,
              list);
  AppendThresholds(figures, context, list);
  AppendTasks(figures, list);
  list->Gauge("log_stored_bytes", "Bytes that the logs of attempts take in the store, compressed.",
              {}, figures.logs.stored_bytes);
  list->Gauge("log_rows", "Rows that the logs of attempts take in the store.", {},
              figures.logs.rows);
  list->Counter("log_left_out_bytes_total",
                "Bytes of logs that limits of size and age have removed from the store.", {},
                figures.logs.left_out_bytes);
}

void AppendLocks(const StoreFigures& figures, const Fleet& fleet, MetricList* list) {
  std::map<std::string, int64_t> available;
  for (const JobCount& count : figures.counts) {
    if (count.state == JobState::kAvailable) available[count.pipeline] = count.count;
  }
  struct Row {
    int64_t held = 0;
    int64_t waiters = 0;
  };
  LabelMap<Row> rows;
  const auto add = [&](const Pipeline& pipeline) {
    for (const std::string& lock : pipeline.locks) rows[lock].waiters += available[pipeline.name];
  };
  for (const auto& [name, pipeline] : fleet.pipelines) add(*pipeline);
  for (const auto& [name, task] : fleet.tasks) add(task->run);
  for (const auto& [name, line] : fleet.locks.lines()) {
    const int64_t held = line.held();
    rows[name].held += held;
    // Of jobs a hold alone is a claim.
    rows[name].waiters += static_cast<int64_t>(line.claims.size()) - held;
  }
  for (const auto& [lock, row] : rows) {
    list->Gauge("lock_held", "Jobs and programs that hold the lock.", {{"lock", lock}}, row.held);
    list->Gauge("lock_waiters",
                "AVAILABLE jobs of pipelines and tasks that need the lock, and programs that wait.",
                {{"lock", lock}}, row.waiters);
  }
}

}  // namespace closewrite
