#include "services/coordinator/metrics/coordinator_metrics.h"

#include <algorithm>
#include <utility>

#include "services/clock/clock.h"
#include "services/coordinator/api/job_view.h"
#include "services/coordinator/core/engine.h"
#include "services/coordinator/core/task.h"
#include "services/coordinator/metrics/figure_metrics.h"
#include "services/coordinator/metrics/fleet_metrics.h"
#include "services/log/log.h"

namespace closewrite {

CoordinatorMetrics::Collected CoordinatorMetrics::Collect() {
  const Fleet fleet = CopyFleet(loop_);
  const std::shared_ptr<const Snapshot> snapshot = Refresh(fleet);
  MetricList list("closewrite_coordinator_");
  Collected collected;
  if (snapshot != nullptr) {
    const StoreFigures& figures = snapshot->figures;
    AppendFigures(figures,
                  {.labels = LabelsFor(figures),
                   .successes = snapshot->successes,
                   .thresholds = snapshot->thresholds},
                  &list);
    AppendLocks(figures, fleet, &list);
    collected.points = figures.points;
  }
  const std::vector<std::string> lost = effects_.Lost(PresentExecutors(fleet), SinceBoot());
  AppendFleet(fleet, lost, loop_.clock().Now(), &list);
  commits_.Append(loop_.waiting(), &list);
  effects_.Append(&list);  // last, so that a pipeline that was seen just now is among its labels
  collected.metrics = list.Take();
  return collected;
}

// Pipelines come first, of which there are fewer than tasks.
std::map<std::string, std::string> CoordinatorMetrics::LabelsFor(const StoreFigures& figures) {
  std::vector<std::string> names(figures.pipelines.begin(), figures.pipelines.end());
  for (const JobCount& count : figures.counts) names.push_back(count.pipeline);
  for (const auto& [pipeline, age] : figures.oldest_running) names.push_back(pipeline);
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return !TaskOfRuns(name).has_value(); });
  const std::vector<std::string> labels = effects_.LabelsOf(names);
  std::map<std::string, std::string> by_name;
  for (size_t i = 0; i < names.size(); ++i) by_name.emplace(names[i], labels[i]);
  return by_name;
}

std::shared_ptr<const CoordinatorMetrics::Snapshot> CoordinatorMetrics::Refresh(
    const Fleet& fleet) {
  const absl::Duration began = SinceBoot();
  {
    absl::MutexLock lock(&mutex_);
    if (reading_ || began < read_again_at_) return snapshot_;
    reading_ = true;
  }
  std::shared_ptr<const Snapshot> snapshot = Read(fleet);
  const absl::Duration took = SinceBoot() - began;
  absl::MutexLock lock(&mutex_);
  reading_ = false;
  read_again_at_ =
      began + took + (took <= kQuickRead ? absl::ZeroDuration() : took * kReadPauseFactor);
  snapshot_ = std::move(snapshot);
  return snapshot_;
}

std::shared_ptr<const CoordinatorMetrics::Snapshot> CoordinatorMetrics::Read(const Fleet& fleet) {
  auto snapshot = std::make_shared<Snapshot>();
  SuccessTimes successes = successes_;
  AlertThresholds thresholds = thresholds_;
  SuccessNotes notes;
  const absl::Status read = loop_.store().Read([&](StoreReader& reader) {
    const absl::Time now = reader.Now(loop_.clock().Now());
    snapshot->figures = ReadStoreFigures(reader, fleet, now);
    thresholds.Read(reader, fleet);
    successes.Read(reader, snapshot->figures.pipelines, now);
    successes.Add(effects_.Successes());
    notes = successes.TakeNotes(now);
    return absl::OkStatus();
  });
  if (!read.ok()) {
    LogWarn("metrics lack what the store says", {{"error", read.message()}});
    return nullptr;
  }
  successes_ = std::move(successes);
  thresholds_ = std::move(thresholds);
  snapshot->successes = successes_.times();
  snapshot->thresholds = thresholds_.Of(snapshot->figures.stopped);
  if (!notes.empty()) Note(notes);
  return snapshot;
}

void CoordinatorMetrics::Note(const SuccessNotes& notes) {
  loop_.Submit(
      [notes](Engine&, StoreTransaction& tx, absl::Time) {
        notes.Apply(tx);
        return absl::OkStatus();
      },
      // They are written again in a while, since nothing says that they were.
      [](const absl::Status&) {});
}

}  // namespace closewrite
