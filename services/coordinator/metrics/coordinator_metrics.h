// The coordinator's numbers under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_METRICS_COORDINATOR_METRICS_H_
#define SERVICES_COORDINATOR_METRICS_COORDINATOR_METRICS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/metrics/alert_thresholds.h"
#include "services/coordinator/metrics/commit_meters.h"
#include "services/coordinator/metrics/effect_meters.h"
#include "services/coordinator/metrics/store_figures.h"
#include "services/coordinator/metrics/success_times.h"
#include "services/coordinator/store_loop.h"
#include "services/metrics/metric.h"

namespace closewrite {

// A read of the store that took longer than this is followed by a pause that many times as long, in
// which scrapes are told the same again: they never load it for more than a twentieth of the time.
inline constexpr absl::Duration kQuickRead = absl::Milliseconds(50);
inline constexpr int kReadPauseFactor = 20;

// Counts from its construction on. Thread-safe.
class CoordinatorMetrics {
 public:
  // None is owned. `commits` is told of the loop's commits by others.
  CoordinatorMetrics(StoreLoop* loop, ChangeFeed* feed, const CommitMeters* commits)
      : loop_(*loop), commits_(*commits), effects_(feed) {}

  struct Collected {
    std::vector<Metric> metrics;  // all begin with `closewrite_coordinator_`
    std::optional<PointRange> points;
  };
  // What the store says is missing while that can't be read: nothing is better than a wrong number.
  Collected Collect();

 private:
  // What was read at one time.
  struct Snapshot {
    StoreFigures figures;
    std::map<std::string, absl::Time> successes;
    std::vector<AlertThreshold> thresholds;
  };

  std::shared_ptr<const Snapshot> Refresh(const Fleet& fleet);
  std::shared_ptr<const Snapshot> Read(const Fleet& fleet);
  void Note(const SuccessNotes& notes);
  std::map<std::string, std::string> LabelsFor(const StoreFigures& figures);

  StoreLoop& loop_;
  const CommitMeters& commits_;
  EffectMeters effects_;

  absl::Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mutex_);  // nullptr: it failed
  absl::Duration read_again_at_ ABSL_GUARDED_BY(mutex_);              // SinceBoot()
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  // Of whoever reads.
  SuccessTimes successes_;
  AlertThresholds thresholds_;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_COORDINATOR_METRICS_H_
