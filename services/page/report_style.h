// How reports look: in light and in dark, on a phone, on paper.
#ifndef SERVICES_PAGE_REPORT_STYLE_H_
#define SERVICES_PAGE_REPORT_STYLE_H_

#include <string_view>

namespace closewrite {

// CSS. Colours of series can be told apart by people who see no red or no green; the first ones
// are of Okabe and Ito, https://jfly.uni-koeln.de/color/.
std::string_view ReportStyle();

}  // namespace closewrite

#endif  // SERVICES_PAGE_REPORT_STYLE_H_
