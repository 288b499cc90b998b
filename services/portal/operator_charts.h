// The overview: numbers as tiles and charts.
#ifndef SERVICES_PORTAL_OPERATOR_CHARTS_H_
#define SERVICES_PORTAL_OPERATOR_CHARTS_H_

#include <string>

namespace closewrite::portal {

struct Overview;

std::string OverviewTiles(const Overview& overview);
// Links to the periods that charts may show.
std::string PeriodMenu(int hours);
std::string OverviewCharts(const Overview& overview);

}  // namespace closewrite::portal

#endif  // SERVICES_PORTAL_OPERATOR_CHARTS_H_
