#include "services/executor/progress.h"

#include "gtest/gtest.h"

namespace closewrite::executor {
namespace {

TEST(Progress, ParsesBothForms) {
  EXPECT_EQ(*ParseProgress("::closewrite progress 40 100 rows"),
            (ReportedProgress{40, 100, "rows"}));
  EXPECT_EQ(*ParseProgress("::closewrite progress 40/100"), (ReportedProgress{40, 100, ""}));
  EXPECT_EQ(*ParseProgress("::closewrite progress 40/100 rows"),
            (ReportedProgress{40, 100, "rows"}));
  EXPECT_EQ(*ParseProgress("::closewrite progress 40"), (ReportedProgress{40, 0, ""}));
  EXPECT_EQ(*ParseProgress("::closewrite progress 40 rows"), (ReportedProgress{40, 0, "rows"}));
}

TEST(Progress, IgnoresEverythingElse) {
  for (const char* line :
       {"", "40/100", "x ::closewrite progress 1/2", "::closewrite progress", "::closewrite",
        "::closewrite progress x", "::closewrite progress -1 2", "::closewrite progress 1/",
        "::closewrite progress 1 2 rows more", "::closewrite progress 1 2 \xff",
        "::closewrite progress 99999999999999999999"}) {
    EXPECT_FALSE(ParseProgress(line).has_value()) << line;
  }
}

TEST(Progress, ComesInPieces) {
  ProgressReader reader;
  EXPECT_FALSE(reader.Feed("hello\n::closewr").has_value());
  EXPECT_FALSE(reader.Feed("ite progress 1 2").has_value());
  EXPECT_EQ(reader.Feed(" rows\nmore"), (ReportedProgress{1, 2, "rows"}));
}

TEST(Progress, TheNewestOfAPieceWins) {
  ProgressReader reader;
  EXPECT_EQ(reader.Feed("::closewrite progress 1/9\r::closewrite progress 2/9\rx\n"),
            (ReportedProgress{2, 9, ""}));
}

TEST(Progress, SkipsEndlessLinesAndRecovers) {
  ProgressReader reader;
  const std::string endless(10000, 'x');
  EXPECT_FALSE(reader.Feed(endless).has_value());
  EXPECT_FALSE(reader.Feed("::closewrite progress 1/2\n").has_value());
  EXPECT_EQ(reader.Feed("::closewrite progress 2/2\n"), (ReportedProgress{2, 2, ""}));
}

}  // namespace
}  // namespace closewrite::executor
