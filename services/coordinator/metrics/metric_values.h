// Metrics as tests look at them.
#ifndef SERVICES_COORDINATOR_METRICS_METRIC_VALUES_H_
#define SERVICES_COORDINATOR_METRICS_METRIC_VALUES_H_

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/log/str_cat.h"
#include "services/metrics/metric.h"

namespace closewrite {

// By name and labels, as in "jobs pipeline=p state=RUNNING", without the coordinator's prefix; of a
// histogram the count.
inline std::map<std::string, double> ValuesOf(const std::vector<Metric>& metrics) {
  std::map<std::string, double> values;
  for (const Metric& metric : metrics) {
    std::string name = metric.name;
    const std::string prefix = "closewrite_coordinator_";
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
    for (const auto& [label, value] : metric.labels) StrAppend(&name, " ", label, "=", value);
    const double value =
        metric.histogram == nullptr ? metric.value : static_cast<double>(metric.histogram->count());
    EXPECT_TRUE(values.emplace(name, value).second) << name << " is there twice";
  }
  return values;
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_METRIC_VALUES_H_
