// A number that a service tells of itself.
#ifndef SERVICES_METRICS_METRIC_H_
#define SERVICES_METRICS_METRIC_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/log/str_cat.h"
#include "services/metrics/histogram.h"

namespace closewrite {

// A counter only grows while the process lives, and its name ends in `_total`; so does a histogram.
enum class MetricType { kCounter, kGauge, kHistogram };

using MetricLabels = std::vector<std::pair<std::string, std::string>>;  // name, value

// One value. Those of one name have the same help and type, and differ in their labels' values.
struct Metric {
  std::string name;
  std::string help;
  MetricType type = MetricType::kGauge;
  MetricLabels labels;
  double value = 0;                                      // not of a histogram
  std::shared_ptr<const Histogram> histogram = nullptr;  // of one
};

// Metrics whose names begin alike.
class MetricList {
 public:
  explicit MetricList(std::string prefix) : prefix_(std::move(prefix)) {}

  template <class Number>
  void Counter(std::string_view name, std::string_view help, MetricLabels labels, Number value) {
    Add(name, help, MetricType::kCounter, std::move(labels)).value = static_cast<double>(value);
  }
  template <class Number>
  void Gauge(std::string_view name, std::string_view help, MetricLabels labels, Number value) {
    Add(name, help, MetricType::kGauge, std::move(labels)).value = static_cast<double>(value);
  }
  void Add(std::string_view name, std::string_view help, MetricLabels labels,
           const Histogram& histogram) {
    Add(name, help, MetricType::kHistogram, std::move(labels)).histogram =
        std::make_shared<const Histogram>(histogram);
  }

  std::vector<Metric> Take() { return std::exchange(all_, {}); }

 private:
  Metric& Add(std::string_view name, std::string_view help, MetricType type, MetricLabels labels) {
    return all_.emplace_back(Metric{.name = StrCat(prefix_, name),
                                    .help = std::string(help),
                                    .type = type,
                                    .labels = std::move(labels)});
  }

  const std::string prefix_;
  std::vector<Metric> all_;
};

}  // namespace closewrite

#endif  // SERVICES_METRICS_METRIC_H_
