// What `closewrite top` shows.
#ifndef SERVICES_CLI_TOP_SCREEN_H_
#define SERVICES_CLI_TOP_SCREEN_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "closewrite/v1/fleet.pb.h"
#include "closewrite/v1/job.pb.h"
#include "services/cli/json.h"
#include "services/cli/screen.h"

namespace closewrite::cli {

// Jobs a second.
struct TopRates {
  double made = 0;
  double succeeded = 0;
  double failed = 0;
};

// What was known at one time.
struct TopSnapshot {
  std::string coordinator;  // its address
  v1::GetVersionResponse version;
  v1::GetOverviewResponse overview;
  std::vector<v1::WatcherStatus> watchers;
  std::vector<v1::ExecutorStatus> executors;
  std::vector<v1::Job> running;  // newest first
  std::vector<v1::Job> failed;   // newest first
  std::optional<TopRates> rates;
  std::optional<absl::Time> lost_since;  // the coordinator does not answer; the rest is of before
  absl::Time now;
};

// Of the time between two answers; absent when they come from different lives of a coordinator.
std::optional<TopRates> RatesBetween(const v1::GetOverviewResponse& before,
                                     const v1::GetOverviewResponse& after);

// Lines that fit: at most `size.columns` wide, and at most `size.lines` of them, 0: any number.
// What has no room is counted in a last row of its section.
std::vector<std::string> RenderTop(const TopSnapshot& snapshot, ScreenSize size, bool color);

// At most `width` columns of a line, in which escape sequences (SGR) take none.
std::string FitLine(std::string_view line, int width);

Json TopJson(const TopSnapshot& snapshot);

}  // namespace closewrite::cli

#endif  // SERVICES_CLI_TOP_SCREEN_H_
