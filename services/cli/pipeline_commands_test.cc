#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

constexpr char kPipelines[] = R"(
pipelines:
  - name: enrich
    on: {volume: unenriched, match: ["**/*.csv"], when: close_write, settle: 0s}
    run: {command: [Rscript, /opt/enrich.R, "{input}", "{output}"], labels: [internet], timeout: 1h}
    publish: {volume: enriched}
    locks: [picky-api]
)";

class PipelineCommandsTest : public CliFixture {
 protected:
  static std::string Write(const std::string& name, const std::string& text) {
    const auto path = std::filesystem::path(testing::TempDir()) / name;
    std::ofstream(path) << text;
    return path.native();
  }
};

TEST_F(PipelineCommandsTest, AppliesAFile) {
  const CliResult result = Run({"pipeline", "apply", "-f", Write("good.yaml", kPipelines)});
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "enrich created\n");
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "locks: \"picky-api\""));
  const CliResult list = Run({"pipeline", "list"});
  EXPECT_TRUE(absl::StrContains(list.out, "Rscript /opt/enrich.R {input} {output}")) << list.out;
}

TEST_F(PipelineCommandsTest, AppliesStdinAndDryRuns) {
  surroundings_.in = kPipelines;
  EXPECT_EQ(Run({"pipeline", "apply", "--dry-run", "-f", "-"}).out, "enrich created (dry run)\n");
  EXPECT_EQ(Run({"pipeline", "list", "-o", "json"}).out, "");
  const auto json = nlohmann::json::parse(Run({"pipeline", "apply", "-f", "-", "-o", "json"}).out);
  EXPECT_EQ(json["effect"], "created");
  EXPECT_EQ(json["pipeline"]["pipeline"]["run"]["timeout"], 3600.0);
}

TEST_F(PipelineCommandsTest, WrongFilesAreUsageErrors) {
  const CliResult wrong =
      Run({"pipeline", "apply", "-f", Write("wrong.yaml", "pipelines:\n  - nmae: x\n")});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(absl::StrContains(wrong.err, "wrong.yaml:2")) << wrong.err;
  EXPECT_TRUE(absl::StrContains(wrong.err, "name")) << wrong.err;
  EXPECT_EQ(Run({"pipeline", "apply", "-f", "/nonexistent.yaml"}).code, 2);
  EXPECT_EQ(Run({"pipeline", "apply", "-f", Write("empty.yaml", "pipelines: []\n")}).code, 2);
  EXPECT_EQ(Run({"pipeline", "apply"}).code, 2);
  EXPECT_TRUE(coordinator_.requests().empty());
}

TEST_F(PipelineCommandsTest, RefusedDefinitionsExitWithOne) {
  coordinator_.FailCalls(1, absl::InvalidArgumentError("enrich: no such volume"));
  surroundings_.in = kPipelines;
  const CliResult result = Run({"pipeline", "apply", "-f", "-"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "closewrite: enrich: no such volume\n");
}

TEST_F(PipelineCommandsTest, Deletes) {
  EXPECT_EQ(Run({"pipeline", "delete", "enrich"}).out, "enrich deleted\n");
  EXPECT_EQ(Run({"pipeline", "delete", "enrich", "--cancel-jobs"}).out,
            "enrich deleted, 3 jobs cancelled\n");
}

TEST_F(PipelineCommandsTest, TestsFilesThatNeedNotExist) {
  v1::TestPipelinesResponse verdicts;
  v1::PipelineVerdict* verdict = verdicts.add_verdicts();
  verdict->mutable_file()->set_volume("unenriched");
  verdict->mutable_file()->set_path("a.txt");
  verdict->set_pipeline("enrich");
  verdict->set_message("matches no glob of **/*.csv");
  verdicts.add_warnings("nobody has told of it");
  coordinator_.SetVerdicts(verdicts);
  surroundings_.in = kPipelines;
  const CliResult result = Run({"pipeline", "test", "-f", "-", "unenriched:a.txt"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out,
            "FILE              PIPELINE  TAKES  WHY\n"
            "unenriched:a.txt  enrich    no     matches no glob of **/*.csv\n");
  EXPECT_EQ(result.err, "closewrite: warning: nobody has told of it\n");
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "path: \"a.txt\""));
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "pipelines { name: \"enrich\""));
}

}  // namespace
}  // namespace closewrite::cli
