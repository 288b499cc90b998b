#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

using ProgressCommandsTest = CliFixture;

TEST_F(ProgressCommandsTest, PrintsTheLineThatExecutorsRead) {
  EXPECT_EQ(Run({"progress", "40/100"}).out, "::closewrite progress 40 100\n");
  EXPECT_EQ(Run({"progress", "40/100", "rows"}).out, "::closewrite progress 40 100 rows\n");
  EXPECT_EQ(Run({"progress", "40"}).out, "::closewrite progress 40 0\n");
}

TEST_F(ProgressCommandsTest, RefusesWhatExecutorsWouldNotRead) {
  for (const char* amount : {"", "x", "40/", "/100", "40/x", "1/2/3", "4.5/10"}) {
    EXPECT_EQ(Run({"progress", amount}).code, 2) << amount;
  }
  EXPECT_EQ(Run({"progress", "1/2", "two words"}).code, 2);
  EXPECT_EQ(Run({"progress", "1/2", std::string(33, 'x')}).code, 2);
}

}  // namespace
}  // namespace closewrite::cli
