// context and config: which coordinator is asked, and why.
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class SettingsCommandsTest : public CliFixture {
 protected:
  SettingsCommandsTest() {
    std::filesystem::remove(path_);
    surroundings_.environment["CLOSEWRITE_CONFIG"] = path_;
    surroundings_.environment["CLOSEWRITE_COORDINATOR"] = "";
  }

  void Write(const std::string& text) const { std::ofstream(path_) << text; }

  // The line of `config` about one setting, its blanks squeezed.
  std::string Config(const std::string& setting, std::vector<std::string> arguments = {}) {
    arguments.push_back("config");
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    std::istringstream lines(result.out);
    std::string line;
    while (std::getline(lines, line) && !absl::StartsWith(line, setting + " ")) {
    }
    std::string squeezed;
    for (const char c : line) {
      if (c != ' ' || squeezed.back() != ' ') squeezed += c;
    }
    return squeezed;
  }

  const std::string path_ = testing::TempDir() + "/settings_commands_test.yaml";
};

TEST_F(SettingsCommandsTest, ContextsAreMadeUsedAndListed) {
  CliResult result = Run({"context", "use", "prod", "--coordinator", "vm-a:7400"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, StrCat("prod is current in ", path_, "\n"));
  EXPECT_EQ(
      Run({"context", "use", "here", "--coordinator", coordinator_.address(), "--host", "vm-b"})
          .code,
      0);
  EXPECT_EQ(Run({"context", "list"}).out,
            StrCat("NAME  CURRENT  COORDINATOR      HOST\nhere  *        ", coordinator_.address(),
                   "  vm-b\nprod           vm-a:7400\n"));
  EXPECT_EQ(Run({"context", "list", "-o", "json"}).out,
            StrCat("{\"name\":\"here\",\"current\":true,\"coordinator\":\"", coordinator_.address(),
                   "\",\"host\":\"vm-b\"}\n{\"name\":\"prod\",\"current\":false,\"coordinator\":"
                   "\"vm-a:7400\",\"host\":null}\n"));
  // The current one is asked.
  coordinator_.PutJob(MakeJob(41, v1::JOB_STATE_RUNNING, "a.csv"));
  EXPECT_EQ(Run({"jobs", "-o", "name"}).out, "41\n");
}

TEST_F(SettingsCommandsTest, OptionsBeatTheEnvironmentThatBeatsTheContext) {
  EXPECT_EQ(Config("coordinator"), "coordinator 127.0.0.1:7400 default");
  Write(
      "current: a\ncontexts:\n  a: {coordinator: 'a:1', host: vm-b}\n"
      "  b: {coordinator: 'b:1'}\n");
  const std::string in_a = StrCat("context a of ", path_);
  EXPECT_EQ(Config("coordinator"), StrCat("coordinator a:1 ", in_a));
  EXPECT_EQ(Config("host"), StrCat("host vm-b ", in_a));
  EXPECT_EQ(Config("context"), StrCat("context a current of ", path_));
  surroundings_.environment["CLOSEWRITE_CONTEXT"] = "b";
  EXPECT_EQ(Config("coordinator"), StrCat("coordinator b:1 context b of ", path_));
  EXPECT_EQ(Config("context"), "context b CLOSEWRITE_CONTEXT");
  surroundings_.environment["CLOSEWRITE_COORDINATOR"] = "e:1";
  surroundings_.environment["CLOSEWRITE_HOST"] = "vm-e";
  EXPECT_EQ(Config("coordinator"), "coordinator e:1 CLOSEWRITE_COORDINATOR");
  EXPECT_EQ(Config("host"), "host vm-e CLOSEWRITE_HOST");
  EXPECT_EQ(Config("coordinator", {"--context", "a"}), StrCat("coordinator a:1 ", in_a));
  EXPECT_EQ(Config("host", {"--context", "a"}), StrCat("host vm-b ", in_a));
  EXPECT_EQ(Config("coordinator", {"--context", "a", "--coordinator", "o:1"}),
            "coordinator o:1 --coordinator");
}

TEST_F(SettingsCommandsTest, ANamedCoordinatorIsNoMatterOfTheFile) {
  Write("current: gone\ncontexts: {a: {coordinator: 'a:1', host: vm-a}}\n");
  EXPECT_EQ(Config("coordinator", {"--coordinator", "o:1"}), "coordinator o:1 --coordinator");
  const CliResult result = Run({"config"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            StrCat("closewrite: current: gone: no such context in ", path_, "; known are a\n"));
  EXPECT_EQ(Run({"jobs"}).code, 2);
  EXPECT_EQ(Run({"context", "use", "a"}).code, 0);
  EXPECT_EQ(Config("coordinator"), StrCat("coordinator a:1 context a of ", path_));
}

TEST_F(SettingsCommandsTest, OtherSettingsSayWhereTheyComeFrom) {
  EXPECT_EQ(Config("timeout"), "timeout 30s default");
  EXPECT_EQ(Config("timeout", {"--timeout", "5s"}), "timeout 5s --timeout");
  EXPECT_EQ(Config("connect-timeout"), "connect-timeout 10s default");
  EXPECT_EQ(Config("output", {"-o", "wide"}), "output wide --output");
  EXPECT_EQ(Config("color"), "color auto default");
  surroundings_.environment["TERM"] = "dumb";
  EXPECT_EQ(Config("color"), "color never TERM");
  surroundings_.environment["CLICOLOR_FORCE"] = "1";
  EXPECT_EQ(Config("color"), "color always CLICOLOR_FORCE");
  surroundings_.environment["NO_COLOR"] = "1";
  EXPECT_EQ(Config("color"), "color never NO_COLOR");
  EXPECT_EQ(Config("color", {"--color", "always"}), "color always --color");
  EXPECT_TRUE(absl::StrContains(Run({"config", "-o", "json"}).out,
                                "{\"setting\":\"context\",\"value\":null,\"from\":\"default\"}\n"));
}

TEST_F(SettingsCommandsTest, NobodyIsLedToBelieveThatAContextCounts) {
  surroundings_.environment["CLOSEWRITE_COORDINATOR"] = "e:1";
  EXPECT_EQ(Run({"context", "use", "a", "--coordinator", "a:1"}).err,
            "closewrite: CLOSEWRITE_COORDINATOR=e:1 is set, which counts more; unset it\n");
}

}  // namespace
}  // namespace closewrite::cli
