#include "services/page/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "services/log/str_cat.h"
#include "services/page/html_text.h"
#include "services/text/text_width.h"

namespace closewrite {
namespace {

// Of a label's character; the page's font is about 12 high.
constexpr double kCharacterWidth = 7.4;
constexpr double kTopMargin = 26;     // the unit stands there
constexpr double kBottomMargin = 38;  // labels of time, and what they are
constexpr double kRightMargin = 22;
constexpr double kLabelGap = 8;
constexpr double kTimeLabelWidth = 62;
// A value that is there can be seen, however small it is beside the others.
constexpr double kBarHeightMin = 2;
constexpr double kBarGapShare = 0.18;
constexpr double kDotRadius = 2.2;
// Of one that no line leads to.
constexpr double kLoneDotRadius = 4;
constexpr double kRowHeight = 26;
constexpr double kBarThickness = 14;
constexpr int kNameCharactersMax = 34;

// A coordinate, short: a page has thousands.
std::string Number(double value) {
  std::string text = absl::StrFormat("%.1f", value);
  if (text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string Opening(const ChartNames& names, ChartSize size) {
  return StrCat("<svg class=\"chart\" role=\"img\" viewBox=\"0 0 ", size.width, " ", size.height,
                "\" aria-labelledby=\"", names.id, "-title ", names.id, "-desc\">\n<title id=\"",
                names.id, "-title\">", HtmlText(names.title), "</title>\n<desc id=\"", names.id,
                "-desc\">", HtmlText(names.description), "</desc>\n");
}

std::string Text(double x, double y, std::string_view css, std::string_view anchor,
                 std::string_view text) {
  return StrCat("<text class=\"", css, "\" x=\"", Number(x), "\" y=\"", Number(y),
                "\" text-anchor=\"", anchor, "\">", HtmlText(text), "</text>\n");
}

std::string Line(double x1, double y1, double x2, double y2, std::string_view css) {
  return StrCat("<line class=\"", css, "\" x1=\"", Number(x1), "\" y1=\"", Number(y1), "\" x2=\"",
                Number(x2), "\" y2=\"", Number(y2), "\"/>\n");
}

std::string Rect(double x, double y, double width, double height, std::string_view css) {
  return StrCat("<rect class=\"", css, "\" x=\"", Number(x), "\" y=\"", Number(y), "\" width=\"",
                Number(width), "\" height=\"", Number(height), "\"/>");
}

double LabelsWidth(const std::vector<Tick>& ticks) {
  int characters = 1;
  for (const Tick& tick : ticks) characters = std::max(characters, TextWidth(tick.text));
  return characters * kCharacterWidth;
}

// Where values lie between the first tick and the last one: from 0 to 1.
class Scale {
 public:
  explicit Scale(const ValueAxis& axis)
      : logarithmic_(axis.logarithmic),
        first_(Of(axis.ticks.front().value)),
        last_(Of(axis.ticks.back().value)) {}

  double operator()(double value) const {
    if (last_ == first_) return 0.5;
    return std::clamp((Of(value) - first_) / (last_ - first_), 0.0, 1.0);
  }

 private:
  double Of(double value) const { return logarithmic_ ? std::log(std::max(value, 1e-9)) : value; }

  const bool logarithmic_;
  const double first_;
  const double last_;
};

class TimeDrawing {
 public:
  TimeDrawing(const TimeChart& chart, ChartSize size)
      : chart_(chart),
        size_(size),
        scale_(chart.axis),
        buckets_(chart.series.front().values.size()),
        left_(LabelsWidth(chart.axis.ticks) + kLabelGap),
        right_(size.width - kRightMargin),
        bottom_(size.height - kBottomMargin),
        bucket_width_((right_ - left_) / static_cast<double>(buckets_)) {}

  std::string Draw() {
    StrAppend(&svg_, Opening(chart_.names, size_));
    DrawAxes();
    if (chart_.kind == ChartKind::kStackedBars) {
      DrawBars();
    } else {
      if (chart_.kind == ChartKind::kLines && chart_.series.size() == 2) DrawBand();
      for (const ChartSeries& series : chart_.series) DrawLine(series);
      DrawNotes();
    }
    return StrCat(svg_, "</svg>\n");
  }

 private:
  double X(double bucket) const { return left_ + bucket * bucket_width_; }
  double Y(double value) const { return bottom_ - scale_(value) * (bottom_ - kTopMargin); }
  static bool Has(double value) { return !std::isnan(value); }

  void DrawAxes() {
    for (const Tick& tick : chart_.axis.ticks) {
      const double y = Y(tick.value);
      StrAppend(&svg_, Line(left_, y, right_, y, "grid"),
                Text(left_ - kLabelGap, y + 4, "tick", "end", tick.text));
    }
    StrAppend(&svg_, Text(3, 13, "unit", "start", chart_.axis.unit));
    const absl::Time end = chart_.begin + static_cast<int64_t>(buckets_) * chart_.bucket;
    const int ticks_max = std::max(2, static_cast<int>((right_ - left_) / kTimeLabelWidth));
    for (const TimeTick& tick : TimeTicks(chart_.begin, end, ticks_max)) {
      const double x = X(absl::FDivDuration(tick.time - chart_.begin, chart_.bucket));
      StrAppend(&svg_, Line(x, bottom_, x, bottom_ + 4, "axis"),
                Text(x, bottom_ + 18, "tick", "middle", tick.text));
    }
    StrAppend(&svg_, Line(left_, bottom_, right_, bottom_, "axis"),
              Text(right_, size_.height - 4, "unit", "end", "time, UTC"));
  }

  // What is drawn of a bucket and says `note`, with a place for the pointer over all of it.
  void Mark(size_t bucket, std::string_view css, std::string_view drawn) {
    StrAppend(&svg_, "<g class=\"", css, "\"><title>",
              bucket < chart_.notes.size() ? HtmlText(chart_.notes[bucket]) : "", "</title>",
              Rect(X(static_cast<double>(bucket)), kTopMargin, bucket_width_, bottom_ - kTopMargin,
                   "hit"),
              drawn, "</g>\n");
  }

  void DrawBars() {
    const double gap = std::min(bucket_width_ * kBarGapShare, 3.0);
    for (size_t i = 0; i < buckets_; ++i) {
      std::string bars;
      double base = bottom_;
      for (const ChartSeries& series : chart_.series) {
        const double value = series.values[i];
        if (!Has(value) || value <= 0) continue;
        const double height = std::max(kBarHeightMin, bottom_ - Y(value));
        base -= height;
        StrAppend(&bars, Rect(X(static_cast<double>(i)) + gap / 2, base, bucket_width_ - gap,
                              height, StrCat("bar ", series.css)));
      }
      if (!bars.empty()) Mark(i, "mark", bars);
    }
  }

  // Middle of a bucket for what was measured in it; its end for what had come until then.
  double PointX(size_t bucket) const {
    return X(static_cast<double>(bucket) + (chart_.kind == ChartKind::kSteps ? 1 : 0.5));
  }

  // Between two lines, where both have values.
  void DrawBand() {
    const std::vector<double>& low = chart_.series[0].values;
    const std::vector<double>& high = chart_.series[1].values;
    for (size_t begin = 0; begin < buckets_;) {
      if (!Has(low[begin]) || !Has(high[begin])) {
        ++begin;
        continue;
      }
      size_t end = begin;
      std::string points;
      for (; end < buckets_ && Has(low[end]) && Has(high[end]); ++end) {
        StrAppend(&points, Number(PointX(end)), ",", Number(Y(low[end])), " ");
      }
      for (size_t i = end; i-- > begin;) {
        StrAppend(&points, Number(PointX(i)), ",", Number(Y(high[i])), i == begin ? "" : " ");
      }
      if (end - begin > 1) {
        StrAppend(&svg_, "<polygon class=\"band ", chart_.series[0].css, "\" points=\"", points,
                  "\"/>\n");
      }
      begin = end;
    }
  }

  bool Alone(const ChartSeries& series, size_t bucket) const {
    if (chart_.kind == ChartKind::kSteps) return false;
    const bool before = bucket > 0 && Has(series.values[bucket - 1]);
    return !before && (bucket + 1 == buckets_ || !Has(series.values[bucket + 1]));
  }

  void DrawLine(const ChartSeries& series) {
    const bool steps = chart_.kind == ChartKind::kSteps;
    std::string path;
    std::string dots;
    bool drawing = false;
    for (size_t i = 0; i < buckets_; ++i) {
      const double value = series.values[i];
      if (!Has(value)) {
        drawing = drawing && steps;
        continue;
      }
      const std::string x = Number(PointX(i));
      const std::string y = Number(Y(value));
      if (!drawing) {
        StrAppend(&path, "M", x, " ", y);
      } else if (steps) {
        StrAppend(&path, "H", x, "V", y);
      } else {
        StrAppend(&path, "L", x, " ", y);
      }
      drawing = true;
      StrAppend(&dots, "<circle class=\"dot ", series.css, "\" cx=\"", x, "\" cy=\"", y, "\" r=\"",
                Number(Alone(series, i) ? kLoneDotRadius : kDotRadius), "\"/>");
    }
    if (steps && drawing) StrAppend(&path, "H", Number(right_));
    StrAppend(&svg_, "<path class=\"line mark ", series.css, "\" d=\"", path, "\"/>\n", dots, "\n");
  }

  void DrawNotes() {
    for (size_t i = 0; i < buckets_; ++i) {
      const bool any =
          std::any_of(chart_.series.begin(), chart_.series.end(),
                      [&](const ChartSeries& series) { return Has(series.values[i]); });
      if (any) Mark(i, "over", "");
    }
  }

  const TimeChart& chart_;
  const ChartSize size_;
  const Scale scale_;
  const size_t buckets_;
  const double left_;
  const double right_;
  const double bottom_;
  const double bucket_width_;
  std::string svg_;
};

std::string DrawRow(const RowChart& chart, const RowChart::Row& row, const Scale& scale,
                    double left, double right, double top) {
  std::string bars;
  double x = left;
  for (size_t i = 0; i < row.parts.size(); ++i) {
    if (row.parts[i] <= 0) continue;
    const double width = std::max(kBarHeightMin, scale(row.parts[i]) * (right - left));
    StrAppend(&bars, Rect(x, top + (kRowHeight - kBarThickness) / 2, width, kBarThickness,
                          StrCat("bar ", chart.css[i])));
    x += width;
  }
  return StrCat("<g class=\"mark\"><title>", HtmlText(row.note), "</title>",
                Rect(0, top, right, kRowHeight, "hit"), bars, "</g>\n");
}

}  // namespace

std::string DrawTimeChart(const TimeChart& chart, ChartSize size) {
  const bool any = std::any_of(chart.series.begin(), chart.series.end(), [](const auto& series) {
    return std::any_of(series.values.begin(), series.values.end(),
                       [](double value) { return !std::isnan(value); });
  });
  return any ? TimeDrawing(chart, size).Draw() : "";
}

std::string DrawRowChart(const RowChart& chart, int width) {
  if (chart.rows.empty()) return "";
  // At most two fifths are for the names.
  const int characters_max =
      std::min(kNameCharactersMax, static_cast<int>(width * 0.4 / kCharacterWidth));
  int characters = 1;
  for (const RowChart::Row& row : chart.rows) {
    characters = std::max(characters, TextWidth(Shorten(Printable(row.name), characters_max)));
  }
  const double left = characters * kCharacterWidth + kLabelGap;
  const double right = width - kRightMargin - LabelsWidth({chart.axis.ticks.back()}) / 2;
  const double bottom = static_cast<double>(chart.rows.size()) * kRowHeight + 4;
  const Scale scale(chart.axis);
  const int height = static_cast<int>(bottom + kBottomMargin);
  std::string svg = Opening(chart.names, {width, height});
  for (const Tick& tick : chart.axis.ticks) {
    const double x = left + scale(tick.value) * (right - left);
    StrAppend(&svg, Line(x, 0, x, bottom, "grid"),
              Text(x, bottom + 16, "tick", "middle", tick.text));
  }
  double top = 2;
  for (const RowChart::Row& row : chart.rows) {
    StrAppend(&svg,
              Text(left - kLabelGap, top + kRowHeight / 2 + 4, "name", "end",
                   Shorten(Printable(row.name), characters_max)),
              DrawRow(chart, row, scale, left, right, top));
    top += kRowHeight;
  }
  return StrCat(svg, Line(left, 0, left, bottom, "axis"),
                Text(right, height - 4, "unit", "end", chart.axis.unit), "</svg>\n");
}

}  // namespace closewrite
