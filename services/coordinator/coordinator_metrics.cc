#include "services/coordinator/coordinator_metrics.h"

#include "services/coordinator/api/task_codec.h"
#include "services/coordinator/core/task.h"
#include "services/coordinator/core/task_book.h"

namespace closewrite {
namespace {

constexpr int64_t kTasksPerRead = 1000;

}  // namespace

std::vector<std::string> TasksInCrashLoop(StoreReader& reader) {
  std::vector<std::string> names;
  std::string after;
  for (int64_t seen = 0; seen < kTasksMax;) {
    const std::vector<StoredTask> tasks = reader.ListTasks(after, kTasksPerRead);
    if (tasks.empty()) break;
    for (const StoredTask& stored : tasks) {
      // Definitions are decoded where it matters.
      if (!stored.state.started || stored.state.failures < kCrashLoopAfter) continue;
      const absl::StatusOr<Task> task = DecodeStoredTask(stored.definition);
      if (task.ok() && CrashesInALoop(*task, stored.state)) names.push_back(stored.name);
    }
    after = tasks.back().name;
    seen += static_cast<int64_t>(tasks.size());
  }
  return names;
}

std::vector<Metric> CoordinatorMetrics(const LogTotals& logs,
                                       const std::vector<std::string>& crash_loops) {
  std::vector<Metric> metrics = {
      {.name = "closewrite_coordinator_log_stored_bytes",
       .help = "Bytes that the logs of attempts take in the store, compressed.",
       .type = MetricType::kGauge,
       .labels = {},
       .value = static_cast<double>(logs.stored_bytes)},
      {.name = "closewrite_coordinator_log_rows",
       .help = "Rows that the logs of attempts take in the store.",
       .type = MetricType::kGauge,
       .labels = {},
       .value = static_cast<double>(logs.rows)},
      {.name = "closewrite_coordinator_log_left_out_bytes_total",
       .help = "Bytes of logs that limits of size and age have removed from the store.",
       .type = MetricType::kCounter,
       .labels = {},
       .value = static_cast<double>(logs.left_out_bytes)},
      {.name = "closewrite_coordinator_task_crash_loops",
       .help = "For-ever tasks that fail again and again.",
       .type = MetricType::kGauge,
       .labels = {},
       .value = static_cast<double>(crash_loops.size())}};
  for (const std::string& task : crash_loops) {
    metrics.push_back({.name = "closewrite_coordinator_task_crash_loop",
                       .help = "1 while the for-ever task fails again and again.",
                       .type = MetricType::kGauge,
                       .labels = {{"task", task}},
                       .value = 1});
  }
  return metrics;
}

}  // namespace closewrite
