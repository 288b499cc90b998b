// How the store's commits go.
#ifndef SERVICES_COORDINATOR_METRICS_COMMIT_METERS_H_
#define SERVICES_COORDINATOR_METRICS_COMMIT_METERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/coordinator/store_loop.h"
#include "services/metrics/histogram.h"
#include "services/metrics/metric.h"

namespace closewrite {

// Thread-safe.
class CommitMeters {
 public:
  CommitMeters();

  void Take(const StoreLoop::CommitReport& report);
  // `waiting` commands have no commit yet.
  void Append(size_t waiting, MetricList* list) const;

 private:
  mutable absl::Mutex mutex_;
  Histogram duration_ ABSL_GUARDED_BY(mutex_);
  Histogram batch_ ABSL_GUARDED_BY(mutex_);
  int64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_COMMIT_METERS_H_
