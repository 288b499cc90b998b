// Counts what commits have changed.
#ifndef SERVICES_COORDINATOR_METRICS_EFFECT_METERS_H_
#define SERVICES_COORDINATOR_METRICS_EFFECT_METERS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/coordinator/change_feed.h"
#include "services/coordinator/core/effects.h"
#include "services/coordinator/metrics/job_meters.h"
#include "services/metrics/label_map.h"
#include "services/metrics/metric.h"

namespace closewrite {

// An executor that was lost and has not come back is shown for so long.
inline constexpr absl::Duration kLostShown = absl::Hours(24);
inline constexpr size_t kLostShownMax = 1000;

// Listens to the change feed; that costs less than a microsecond a job. Thread-safe.
class EffectMeters {
 public:
  explicit EffectMeters(ChangeFeed* feed);  // not owned

  // The labels that stand for pipelines, in the same order; see JobMeters::LabelOf.
  std::vector<std::string> LabelsOf(const std::vector<std::string>& pipelines);
  std::map<std::string, absl::Time> Successes() const;
  // Executors that are lost at `now`, on the clock of SinceBoot(), by name; those in `present` are
  // back.
  std::vector<std::string> Lost(const std::vector<std::string>& present, absl::Duration now);

  void Append(MetricList* list) const;

 private:
  struct EventMeters {
    std::array<int64_t, 7> kinds = {};  // by EventKind
    int64_t found = 0;
  };
  struct Meters {
    JobMeters jobs;
    LabelMap<EventMeters> volumes;
    int64_t expired = 0;
    int64_t died = 0;
    int64_t expired_leases = 0;
    int64_t refused_results = 0;
    int64_t log_bytes = 0;
  };

  void Take(const Effects& effects, absl::Duration now);
  void TakeEvent(const FileEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeLost(const LostExecutor& lost, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void AppendEvents(const Meters& meters, MetricList* list);

  mutable absl::Mutex mutex_;
  Meters meters_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Duration> lost_ ABSL_GUARDED_BY(mutex_);  // since when, by name
  std::unique_ptr<ChangeFeed::Subscription> subscription_;              // ends first
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_EFFECT_METERS_H_
