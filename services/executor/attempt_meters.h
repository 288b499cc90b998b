// What became of attempts, in numbers.
#ifndef SERVICES_EXECUTOR_ATTEMPT_METERS_H_
#define SERVICES_EXECUTOR_ATTEMPT_METERS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "closewrite/v1/attend.pb.h"
#include "services/metrics/histogram.h"
#include "services/metrics/label_map.h"
#include "services/metrics/metric.h"

namespace closewrite::executor {

// Thread-safe.
class AttemptMeters {
 public:
  // An attempt has ended; its command, if it was started, ran for so long.
  void Take(const std::string& pipeline, const v1::AttemptResult& result,
            std::optional<absl::Duration> ran);
  // A command of an earlier process was taken up.
  void TakeResumed();

  void Append(MetricList* list) const;

 private:
  struct Meters {
    Meters();
    std::array<int64_t, v1::AttemptOutcome_ARRAYSIZE> outcomes = {};
    absl::Duration cpu;
    Histogram ran;
  };
  struct All {
    LabelMap<Meters> pipelines;
    int64_t resumed = 0;
    int64_t staged_files = 0;
    int64_t staged_bytes = 0;
  };

  mutable absl::Mutex mutex_;
  All all_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace closewrite::executor

#endif  // SERVICES_EXECUTOR_ATTEMPT_METERS_H_
