#include "services/coordinator/influx/influx_metrics.h"

#include <cstdint>
#include <string>

namespace closewrite {
namespace {

Metric Make(const std::string& name, const std::string& help, MetricType type, int64_t value) {
  return {.name = "closewrite_coordinator_influx_" + name,
          .help = help,
          .type = type,
          .labels = {},
          .value = static_cast<double>(value)};
}

}  // namespace

std::vector<Metric> InfluxMetrics(const InfluxWriter::Numbers& numbers, const PointRange& waiting) {
  return {
      Make("points_waiting", "Points in the store that InfluxDB does not have yet, about.",
           MetricType::kGauge, waiting.count()),
      Make("points_written_total", "Points that InfluxDB has taken.", MetricType::kCounter,
           numbers.written),
      Make("points_refused_total", "Points given up because InfluxDB will never take them.",
           MetricType::kCounter, numbers.refused),
      Make("points_overflowed_total", "Points given up because too many waited, the oldest first.",
           MetricType::kCounter, numbers.overflowed),
      Make("write_failures_total", "Requests to InfluxDB that had to be repeated.",
           MetricType::kCounter, numbers.failures)};
}

}  // namespace closewrite
