#include "services/cli/progress_bar.h"

#include <sstream>

#include "gtest/gtest.h"

namespace closewrite::cli {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1795345200);

TEST(RenderProgress, ShowsRateAndTimeLeft) {
  EXPECT_EQ(
      RenderProgress(
          {.done = 40, .total = 100, .unit = "jobs", .rate = 12.34, .remaining = absl::Seconds(7)},
          46),
      "[#####........] 40/100 jobs  12.3/s  7.0s left");
}

TEST(RenderProgress, FitsIntoNarrowTerminals) {
  EXPECT_EQ(RenderProgress({.done = 40, .total = 100, .unit = "jobs"}, 14), "40/100 jobs");
  EXPECT_EQ(RenderProgress({.done = 40, .total = 100, .unit = "jobs"}, 8), "40/100 …");
}

TEST(RenderProgress, SurvivesOddFigures) {
  EXPECT_EQ(RenderProgress({.done = 5, .total = 0}, 12), "[......] 5/0");
  EXPECT_EQ(RenderProgress({.done = 9, .total = 3}, 12), "[######] 9/3");
}

TEST(ProgressBar, IsSilentOffATerminal) {
  std::ostringstream out;
  ProgressBar bar({.out = &out, .enabled = false});
  bar.Update(1, 2, kStart);
  bar.Clear();
  EXPECT_EQ(out.str(), "");
}

TEST(ProgressBar, CountsTheRateFromItsFirstUpdate) {
  std::ostringstream out;
  ProgressBar bar({.out = &out, .enabled = true, .width = 60, .unit = "jobs"});
  bar.Update(50, 100, kStart);
  out.str("");
  bar.Update(60, 100, kStart + absl::Seconds(5));
  EXPECT_NE(out.str().find("60/100 jobs  2.0/s  20.0s left"), std::string::npos) << out.str();
}

TEST(ProgressBar, DrawsAtMostTenTimesASecondButAlwaysTheEnd) {
  std::ostringstream out;
  ProgressBar bar({.out = &out, .enabled = true});
  bar.Update(1, 3, kStart);
  out.str("");
  bar.Update(2, 3, kStart + absl::Milliseconds(50));
  EXPECT_EQ(out.str(), "");
  bar.Update(3, 3, kStart + absl::Milliseconds(60));
  EXPECT_NE(out.str().find("3/3"), std::string::npos);
}

TEST(ProgressBar, ClearsItsLineOnce) {
  std::ostringstream out;
  ProgressBar bar({.out = &out, .enabled = true});
  bar.Update(1, 3, kStart);
  out.str("");
  bar.Clear();
  bar.Clear();
  EXPECT_EQ(out.str(), "\r\x1b[K");
}

}  // namespace
}  // namespace closewrite::cli
