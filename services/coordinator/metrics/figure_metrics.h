// What the store says, under the names that Prometheus sees.
#ifndef SERVICES_COORDINATOR_METRICS_FIGURE_METRICS_H_
#define SERVICES_COORDINATOR_METRICS_FIGURE_METRICS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/coordinator/core/fleet.h"
#include "services/coordinator/metrics/alert_thresholds.h"
#include "services/coordinator/metrics/store_figures.h"
#include "services/metrics/metric.h"

namespace closewrite {

struct FigureContext {
  // The label of each pipeline that the figures name.
  std::map<std::string, std::string> labels;
  std::map<std::string, absl::Time> successes;
  std::vector<AlertThreshold> thresholds;
};

void AppendFigures(const StoreFigures& figures, const FigureContext& context, MetricList* list);

// Locks that pipelines ask for, or that are held. Of tasks memory knows those that may have jobs.
void AppendLocks(const StoreFigures& figures, const Fleet& fleet, MetricList* list);

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_METRICS_FIGURE_METRICS_H_
