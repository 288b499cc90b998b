#include "services/cli/monitor_commands.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/cli/increment_import.h"
#include "services/cli/records.h"

namespace closewrite::cli {
namespace {

using MonitorCommandsTest = CliFixture;

TEST_F(MonitorCommandsTest, TheAttemptComesFromTheEnvironment) {
  surroundings_.environment = {{"CLOSEWRITE_JOB", "41"}, {"CLOSEWRITE_TOKEN", "3"}};
  EXPECT_EQ(Run({"increment", "log", "sales", "--records", "5", "--increment", "-9"}).code, 0);
  const std::string asked = coordinator_.requests().back();
  EXPECT_TRUE(absl::StrContains(asked, "attempt { job_id: 41 token: 3 }")) << asked;
  EXPECT_TRUE(absl::StrContains(asked, "type: \"load\" datasource: \"sales\" records: 5")) << asked;
  surroundings_.environment["CLOSEWRITE_TOKEN"] = "x";
  EXPECT_EQ(Run({"increment", "read", "sales"}).code, 2);
  surroundings_.environment.clear();
  const CliResult nobody = Run({"increment", "read", "sales"});
  EXPECT_EQ(nobody.code, 2);
  EXPECT_EQ(nobody.err,
            "closewrite: whose? Give --job NAME; a command that Closewrite runs need not\n");
}

TEST_F(MonitorCommandsTest, AnAttemptThatFailsIsToldHow) {
  surroundings_.environment = {{"CLOSEWRITE_JOB", "41"}, {"CLOSEWRITE_TOKEN", "3"}};
  EXPECT_EQ(Run({"execution", "start", "load"}).code, 0);
  EXPECT_TRUE(absl::StrContains(Run({"execution", "error", "load"}).err, "told by its exit code"));
}

TEST_F(MonitorCommandsTest, IncrementsHaveSixtyFourBits) {
  for (const std::string value : {"9223372036854775807", "-9223372036854775808"}) {
    EXPECT_EQ(
        Run({"increment", "log", "s", "--job", "j", "--records", "1", "--increment=" + value}).code,
        0);
    EXPECT_EQ(Run({"increment", "read", "s", "--job", "j"}).out, value + "\n");
  }
  EXPECT_EQ(Run({"increment", "log", "s", "--job", "j", "--records", "1", "--increment",
                 "9223372036854775808"})
                .code,
            2);
  EXPECT_EQ(
      Run({"increment", "log", "s", "--job", "j", "--records", "1.5", "--increment", "1"}).err,
      "closewrite: --records 1.5: use a whole number of 64 bits\n");
}

TEST(CsvFieldTest, QuotesWhereItMust) {
  EXPECT_EQ(CsvField("plain text"), "plain text");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(CsvField("two\nlines"), "\"two\nlines\"");
}

TEST(ParseIncrementsTest, ReadsWhatInfluxAnswers) {
  const auto increments = ParseIncrements(R"({"results":[{"statement_id":0,"series":[
      {"name":"task","tags":{"datasource":"sales","job":"a"},"columns":["time","last"],
       "values":[[1700000000123,9223372036854775807]]},
      {"name":"task","tags":{"datasource":"","job":"b"},"columns":["time","last"],
       "values":[[1700000000000,5]]}]}]})");
  ASSERT_TRUE(increments.ok()) << increments.status();
  ASSERT_EQ(increments->size(), 1u);
  EXPECT_EQ((*increments)[0].job(), "a");
  EXPECT_EQ((*increments)[0].increment(), INT64_MAX);
  EXPECT_EQ((*increments)[0].at().nanos(), 123'000'000);
  EXPECT_TRUE(ParseIncrements(R"({"results":[{"statement_id":0}]})")->empty());
}

TEST(ParseIncrementsTest, SaysWhatIsWrong) {
  EXPECT_EQ(ParseIncrements(R"({"error":"authorization failed"})").status().message(),
            "\"authorization failed\"");
  EXPECT_EQ(
      ParseIncrements(R"({"results":[{"error":"database not found: x"}]})").status().message(),
      "\"database not found: x\"");
  EXPECT_FALSE(ParseIncrements("<html>").ok());
  EXPECT_FALSE(ParseIncrements(R"({"results":[{"series":[{"values":[]}]}]})").ok());
  EXPECT_FALSE(ParseIncrements(R"({"results":[{"series":[{"tags":{"job":"a","datasource":"b"},
      "values":[[1,"text"]]}]}]})")
                   .ok());
}

}  // namespace
}  // namespace closewrite::cli
