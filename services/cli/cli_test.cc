// What all commands have in common: options, help, errors, exit codes.
#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

using CliTest = CliFixture;

TEST_F(CliTest, OptionsMayStandBeforeAndAfterTheCommand) {
  coordinator_.PutJob(MakeJob(41, v1::JOB_STATE_RUNNING, "a.csv"));
  surroundings_.coordinator = "127.0.0.1:1";
  EXPECT_EQ(Run({"--coordinator", coordinator_.address(), "-o", "name", "jobs"}).out, "41\n");
  EXPECT_EQ(Run({"jobs", "-o", "name", "--coordinator", coordinator_.address()}).out, "41\n");
  EXPECT_EQ(Run({"-o", "json", "jobs", "-o", "name", "--coordinator", coordinator_.address()}).out,
            "41\n");
}

TEST_F(CliTest, NoCommandIsAUsageError) {
  const CliResult result = Run({});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(absl::StrContains(result.err, "Commands:"));
}

TEST_F(CliTest, SuggestsTheNearestCommand) {
  const CliResult result = Run({"jbos"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err, "closewrite: unknown command jbos: did you mean jobs?\n");
  EXPECT_EQ(Run({"pipeline"}).err,
            "closewrite: pipeline needs one of: apply, list, delete, test\n");
  EXPECT_EQ(Run({"pipeline", "lst"}).err,
            "closewrite: pipeline lst: did you mean list? pipeline needs one of: apply, list, "
            "delete, test\n");
  EXPECT_EQ(Run({"--verison"}).err,
            "closewrite: unknown option --verison (did you mean --version?)\n");
  EXPECT_EQ(Run({"help", "exit-code"}).err,
            "closewrite: help exit-code: no such command or topic; did you mean exit-codes? "
            "Topics are exit-codes, environment, contexts, json\n");
  EXPECT_EQ(Run({"--frobnicate", "jobs"}).err, "closewrite: unknown option --frobnicate\n");
}

TEST_F(CliTest, OfSeveralNumbersTheWrongOneIsNamed) {
  EXPECT_EQ(Run({"cancel", "8", "abc", "9"}).err.substr(0, 41),
            "closewrite: cancel: JOB: \"abc\" is no numb");
}

TEST_F(CliTest, WrongOptionsAreUsageErrorsInOneLine) {
  const CliResult result = Run({"jobs", "--frobnicate"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(absl::StartsWith(result.err, "closewrite: jobs: ")) << result.err;
  EXPECT_TRUE(absl::StrContains(result.err, "--frobnicate")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1);
  EXPECT_TRUE(
      absl::StartsWith(Run({"logs", "41", "--tial", "5"}).err,
                       "closewrite: logs: unknown option --tial (did you mean --tail?); usage: "));
  EXPECT_TRUE(absl::StartsWith(
      Run({"pipeline", "delete", "x", "--cancel"}).err,
      "closewrite: pipeline delete: unknown option --cancel (did you mean --cancel-jobs?); "));
  EXPECT_TRUE(absl::StartsWith(Run({"job", "many"}).err,
                               "closewrite: job: JOB: \"many\" is no number, or out of range; "));
  EXPECT_TRUE(
      absl::StartsWith(Run({"jobs", "--limit"}).err, "closewrite: jobs: --limit needs a value; "));
  EXPECT_EQ(Run({"job"}).code, 2);
  EXPECT_EQ(Run({"job", "many"}).code, 2);
  EXPECT_EQ(Run({"jobs", "-o", "yaml"}).code, 2);
  EXPECT_EQ(Run({"executors", "-o", "name"}).code, 2);
  EXPECT_EQ(Run({"jobs", "--timeout", "soon"}).code, 2);
}

TEST_F(CliTest, HelpGoesToStdout) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"help"}, {"--help"}, {"-h"}}) {
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(absl::StrContains(result.out, "pipeline apply")) << result.out;
    EXPECT_EQ(result.err, "");
  }
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"help", "wait"}, {"wait", "--help"}}) {
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(absl::StrContains(result.out, "Usage: closewrite wait JOB... | --input V"))
        << result.out;
    EXPECT_TRUE(absl::StrContains(result.out, "--coordinator")) << result.out;
  }
  EXPECT_TRUE(absl::StrContains(Run({"help", "pipeline", "apply"}).out, "--dry-run"));
  EXPECT_EQ(Run({"help", "nothing"}).code, 2);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"help", "task"}, {"task", "--help"}, {"task", "-h"}}) {
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(absl::StartsWith(result.out, "Usage: closewrite task COMMAND ...\n"));
    EXPECT_TRUE(absl::StrContains(result.out, "  task logs ")) << result.out;
    EXPECT_TRUE(absl::StrContains(result.out, "\n  closewrite task add feed ")) << result.out;
    EXPECT_FALSE(absl::StrContains(result.out, "pipeline")) << result.out;
  }
}

TEST_F(CliTest, HelpTopicsExplainExitCodesEnvironmentAndJson) {
  EXPECT_TRUE(absl::StrContains(Run({"help", "exit-codes"}).out, "124"));
  EXPECT_TRUE(absl::StrContains(Run({"help", "environment"}).out, "CLOSEWRITE_COORDINATOR"));
  EXPECT_TRUE(absl::StrContains(Run({"help", "json"}).out, "path_base64"));
}

TEST_F(CliTest, RefusedRequestsExitWithOne) {
  const CliResult result = Run({"job", "7"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "closewrite: no job has the id 7\n");
}

TEST_F(CliTest, UnreachableCoordinatorsExitWith125) {
  coordinator_.Stop();
  const CliResult result = Run({"jobs", "--connect-timeout", "200ms"});
  EXPECT_EQ(result.code, 125);
  EXPECT_TRUE(absl::StrContains(result.err, "is closewrite-coordinator running there?"))
      << result.err;
}

TEST_F(CliTest, SlowCoordinatorsExitWith125) {
  coordinator_.FailCalls(1, absl::DeadlineExceededError("slow"));
  const CliResult result = Run({"jobs", "--timeout", "2s"});
  EXPECT_EQ(result.code, 125);
  EXPECT_TRUE(absl::StrContains(result.err, "did not answer within 2s")) << result.err;
}

TEST_F(CliTest, AnInterruptExitsWith130) {
  coordinator_.Stop();
  const auto run = Begin({"jobs", "--connect-timeout", "10m"});
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
}

TEST_F(CliTest, VersionWorksWithoutACoordinator) {
  EXPECT_EQ(Run({"--version"}).out, "closewrite 0.1.0\n");
  EXPECT_EQ(Run({"version", "--client"}).out, "client       0.1.0\n");
  coordinator_.Stop();
  const CliResult result = Run({"version", "--connect-timeout", "100ms"});
  EXPECT_EQ(result.code, 125);
  EXPECT_EQ(result.out, "client       0.1.0\n");
  EXPECT_TRUE(absl::StrContains(result.err, "can't be reached")) << result.err;
  EXPECT_EQ(Run({"version", "-o", "json", "--connect-timeout", "100ms"}).out,
            "{\"client\":\"0.1.0\",\"coordinator\":null}\n");
}

}  // namespace
}  // namespace closewrite::cli
