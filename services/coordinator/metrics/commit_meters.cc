#include "services/coordinator/metrics/commit_meters.h"

#include "absl/time/time.h"

namespace closewrite {
namespace {

constexpr double kDurationBounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                      0.05,   0.1,   0.25,   0.5,   1,    5};
constexpr double kBatchBounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 4096};

}  // namespace

CommitMeters::CommitMeters() : duration_(kDurationBounds), batch_(kBatchBounds) {}

void CommitMeters::Take(const StoreLoop::CommitReport& report) {
  absl::MutexLock lock(&mutex_);
  failures_ += !report.ok;
  // Those for what is due alone mostly find nothing, and take no time.
  if (report.commands == 0) return;
  duration_.Observe(absl::ToDoubleSeconds(report.took));
  batch_.Observe(static_cast<double>(report.commands));
}

void CommitMeters::Append(size_t waiting, MetricList* list) const {
  list->Gauge("commands_waiting", "Commands that wait for a commit.", {}, waiting);
  absl::MutexLock lock(&mutex_);
  list->Add("commit_duration_seconds",
            "What a commit of the store took, with the commands that it carried out.", {},
            duration_);
  list->Add("commit_batch_commands", "Commands in a commit.", {}, batch_);
  list->Counter("commit_failures_total", "Commits that failed, repeated ones too.", {}, failures_);
}

}  // namespace closewrite
