// A line that shows how far a wait is.
#ifndef SERVICES_CLI_PROGRESS_BAR_H_
#define SERVICES_CLI_PROGRESS_BAR_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"

namespace closewrite::cli {

struct ProgressFigures {
  int64_t done = 0;
  int64_t total = 0;
  std::string unit;                              // such as "jobs"
  double rate = 0;                               // per second; 0: not known yet
  std::optional<absl::Duration> remaining = {};  // absent: not known
};

// `[#####.....] 40/100 jobs  12.3/s  7s left`, at most `width` columns.
std::string RenderProgress(const ProgressFigures& figures, int width);

// Draws over its own line, at most ten times a second; draws nothing when not enabled, which is for
// everything but a terminal. Not thread-safe.
class ProgressBar {
 public:
  struct Options {
    std::ostream* out;  // not owned
    bool enabled = false;
    int width = 80;
    std::string unit;
  };

  explicit ProgressBar(Options options) : options_(std::move(options)) {}
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // What is counted from now on.
  void SetUnit(const std::string& unit) { options_.unit = unit; }
  // The rate counts from the first update on: what was done before it says nothing about the speed.
  void Update(int64_t done, int64_t total, absl::Time now);
  // Wipes the line, so that something else may be printed; the next update draws it again.
  void Clear();

 private:
  Options options_;
  std::optional<absl::Time> first_at_;
  int64_t first_done_ = 0;
  absl::Time drawn_at_ = absl::InfinitePast();
  bool drawn_ = false;
};

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_PROGRESS_BAR_H_
