// Charts as SVG that stands in a page: no script, no request, and colours by classes of the page's
// style, so that it is right in light and in dark.
//
// Texts are escaped here. Each chart has a title and a description for people who can't see it,
// units on its axes, and for each thing drawn the numbers behind it, shown when pointed at.
#ifndef SERVICES_PAGE_SVG_CHART_H_
#define SERVICES_PAGE_SVG_CHART_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/page/axis_scale.h"

namespace closewrite {

// In the units of the page at its full width.
struct ChartSize {
  int width = 0;
  int height = 0;
};

struct ChartNames {
  std::string id;           // a word, another one for each drawing of a page
  std::string title;        // what it is
  std::string description;  // what it shows
};

// One value for each bucket; NaN: there is none.
struct ChartSeries {
  std::string name;
  std::string css;  // class of its colour
  std::vector<double> values;
};

// How values become heights.
struct ValueAxis {
  std::string unit;  // of the values, in words
  std::vector<Tick> ticks;
  bool logarithmic = false;
};

enum class ChartKind {
  kStackedBars,  // one series upon the other
  kLines,        // interrupted where there is no value
  kSteps,        // a value holds until the next one
};

struct TimeChart {
  ChartNames names;
  ChartKind kind = ChartKind::kStackedBars;
  absl::Time begin;
  absl::Duration bucket;
  ValueAxis axis;
  std::vector<ChartSeries> series;
  // What is said of a bucket when pointed at; of those that have a value.
  std::vector<std::string> notes;
};

// "" when no series has a value.
std::string DrawTimeChart(const TimeChart& chart, ChartSize size);

// Bars from left to right, each with parts.
struct RowChart {
  struct Row {
    std::string name;
    std::vector<double> parts;  // as many as `css`
    std::string note;
  };
  ChartNames names;
  ValueAxis axis;
  std::vector<std::string> css;  // class of the colour of each part
  std::vector<Row> rows;
};

// As high as its rows need; "" when there are none.
std::string DrawRowChart(const RowChart& chart, int width);

}  // namespace closewrite

#endif  // SERVICES_PAGE_SVG_CHART_H_
