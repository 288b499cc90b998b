#include "services/coordinator/coordinator_metrics.h"

namespace closewrite {

std::vector<Metric> CoordinatorMetrics(const LogTotals& logs) {
  return {{.name = "closewrite_coordinator_log_stored_bytes",
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
           .value = static_cast<double>(logs.left_out_bytes)}};
}

}  // namespace closewrite
