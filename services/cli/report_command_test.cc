#include "services/cli/report_command.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/cli/report_sample.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class ReportCommandTest : public CliFixture {
 protected:
  ReportCommandTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()),
        name_((folder_ / "report.html").native()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const ReportPage sample = SampleReportPage();
    coordinator_.SetReport(sample.report);
    coordinator_.SetOverview(sample.overview);
    for (const v1::ExecutorStatus& each : sample.executors) coordinator_.PutExecutor(each);
  }

  std::string Content() const {
    std::ostringstream text;
    text << std::ifstream(name_).rdbuf();
    return text.str();
  }
  // What the coordinator was asked for.
  std::string Asked() const {
    for (const std::string& request : coordinator_.requests()) {
      if (absl::StartsWith(request, "GetReportRequest")) return request;
    }
    return "";
  }

  const std::filesystem::path folder_;
  const std::string name_;
};

TEST_F(ReportCommandTest, WritesAPageToStdout) {
  const CliResult result = Run({"report"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  ReportPage page = SampleReportPage();
  page.coordinator = coordinator_.address();
  EXPECT_EQ(result.out, DrawReportPage(page));
  EXPECT_EQ(Asked(), "GetReportRequest ");
}

TEST_F(ReportCommandTest, WritesAFileThatIsThereWhole) {
  const CliResult result = Run({"report", name_});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, StrCat("closewrite: ", name_, " has the report of ",
                               "2026-11-19T10:00:00.000Z to 2026-11-26T10:17:31.000Z\n"));
  EXPECT_TRUE(absl::StartsWith(Content(), "<!DOCTYPE html>"));
  EXPECT_TRUE(absl::EndsWith(Content(), "</html>\n"));
  EXPECT_EQ(Run({"report", name_}).code, 1);
  EXPECT_EQ(Run({"report", name_, "--force", "-o", "json"}).code, 0);
  EXPECT_TRUE(absl::StartsWith(Content(), "{\"at\":\"2026-11-26T10:17:31.000Z\""));
}

TEST_F(ReportCommandTest, AnErrorLeavesTheFileAsItWas) {
  std::ofstream(name_) << "yesterday's";
  coordinator_.FailCalls(1, absl::InvalidArgumentError("since: no"));
  EXPECT_EQ(Run({"report", name_, "--force"}).code, 1);
  EXPECT_EQ(Content(), "yesterday's");
  EXPECT_FALSE(std::filesystem::exists(name_ + ".part"));
}

TEST_F(ReportCommandTest, PrintsJsonForPrograms) {
  const CliResult result = Run({"report", "-o", "json"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(absl::StrContains(result.out, "\"bucket\":7200.0")) << result.out.substr(0, 300);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
}

TEST_F(ReportCommandTest, AsksForThePeriod) {
  EXPECT_EQ(Run({"report", "--since", "2026-11-01T00:00:00Z", "--until", "2026-12-01T00:00:00Z",
                 "--bucket", "1d"})
                .code,
            0);
  EXPECT_EQ(Asked(),
            "GetReportRequest since { seconds: 1793491200 } until { seconds: 1796083200 } bucket { "
            "seconds: 86400 }");
}

TEST_F(ReportCommandTest, RefusesWhatItDoesNotUnderstand) {
  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } cases[] = {
      {{"--since", "yesterday"}, "--since yesterday: use a time span"},
      {{"--until", "infinite-future"}, "--until infinite-future: use a time span"},
      {{"--bucket", "wide"}, "--bucket: "},
      {{"-o", "table"}, "report: use -o html or -o json"},
      {{"-o", "csv"}, "-o csv is for"},
  };
  for (const auto& each : cases) {
    std::vector<std::string> arguments = {"report"};
    arguments.insert(arguments.end(), each.arguments.begin(), each.arguments.end());
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(absl::StrContains(result.err, each.message)) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(Run({"jobs", "-o", "html"}).err, "closewrite: -o html is for reports, not for jobs\n");
}

TEST_F(ReportCommandTest, ATerminalIsNoBrowser) {
  surroundings_.terminal = true;
  EXPECT_EQ(Run({"report"}).err,
            "closewrite: a report is a page for a browser: name a file, such as report.html\n");
  EXPECT_EQ(Run({"report", "-o", "html"}).code, 0);
}

}  // namespace
}  // namespace closewrite::cli
