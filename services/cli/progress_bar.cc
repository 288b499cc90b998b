#include "services/cli/progress_bar.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "services/cli/table.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

constexpr absl::Duration kRedrawMin = absl::Milliseconds(100);
constexpr int kBarWidthMax = 40;
constexpr int kBarWidthMin = 5;

}  // namespace

std::string RenderProgress(const ProgressFigures& figures, int width) {
  std::string text = StrCat(figures.done, "/", figures.total);
  if (!figures.unit.empty()) StrAppend(&text, " ", figures.unit);
  if (figures.rate > 0) absl::StrAppendFormat(&text, "  %.1f/s", figures.rate);
  if (figures.remaining.has_value()) {
    StrAppend(&text, "  ", DurationText(*figures.remaining), " left");
  }
  const int bar = std::min(kBarWidthMax, width - TextWidth(text) - 3);
  if (bar < kBarWidthMin) return Shorten(text, width);
  const double part = figures.total <= 0
                          ? 0
                          : static_cast<double>(figures.done) / static_cast<double>(figures.total);
  const int filled = static_cast<int>(std::clamp(part, 0.0, 1.0) * bar);
  return StrCat("[", std::string(filled, '#'), std::string(bar - filled, '.'), "] ", text);
}

void ProgressBar::Update(int64_t done, int64_t total, absl::Time now) {
  if (!options_.enabled) return;
  if (!first_at_.has_value()) {
    first_at_ = now;
    first_done_ = done;
  }
  if (now - drawn_at_ < kRedrawMin && done < total) return;
  ProgressFigures figures{.done = done, .total = total, .unit = options_.unit};
  const double seconds = absl::ToDoubleSeconds(now - *first_at_);
  if (seconds > 0 && done > first_done_) {
    figures.rate = static_cast<double>(done - first_done_) / seconds;
    figures.remaining = absl::Seconds(static_cast<double>(total - done) / figures.rate);
  }
  *options_.out << "\r" << RenderProgress(figures, options_.width - 1) << "\x1b[K" << std::flush;
  drawn_at_ = now;
  drawn_ = true;
}

void ProgressBar::Clear() {
  if (drawn_) *options_.out << "\r\x1b[K" << std::flush;
  drawn_ = false;
  drawn_at_ = absl::InfinitePast();
}

}  // namespace closewrite::cli
