#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class TopCommandTest : public CliFixture {
 protected:
  TopCommandTest() {
    v1::GetOverviewResponse overview;
    overview.mutable_at()->set_seconds(1795345200);
    v1::JobCount* count = overview.add_counts();
    count->set_pipeline("enrich");
    count->set_state(v1::JOB_STATE_AVAILABLE);
    count->set_count(12);
    coordinator_.SetOverview(overview);
    coordinator_.PutJob(MakeJob(41, v1::JOB_STATE_RUNNING, "a.csv"));
    coordinator_.PutJob(MakeJob(40, v1::JOB_STATE_FAILED, "b.csv"));
  }
};

TEST_F(TopCommandTest, PrintsItOnceOffATerminal) {
  const CliResult result = Run({"top"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(absl::StartsWith(result.out, coordinator_.address() + "  9.8.7  ")) << result.out;
  EXPECT_TRUE(absl::StrContains(result.out, "unenriched:a.csv\n")) << result.out;
  EXPECT_FALSE(absl::StrContains(result.out, "\x1b"));
  surroundings_.terminal = true;
  EXPECT_FALSE(absl::StrContains(Run({"top", "--once", "--color", "never"}).out, "\x1b"));
}

TEST_F(TopCommandTest, ForPrograms) {
  surroundings_.terminal = true;
  const auto json = nlohmann::json::parse(Run({"top", "-o", "json"}).out);
  EXPECT_EQ(json["coordinator"], coordinator_.address());
  EXPECT_EQ(json["overview"]["counts"][0]["count"], 12);
  EXPECT_EQ(json["running"][0]["id"], 41);
  EXPECT_EQ(json["failed"][0]["id"], 40);
}

TEST_F(TopCommandTest, QLeaves) {
  surroundings_.terminal = true;
  surroundings_.in = "xq";
  const CliResult result = Run({"top"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(absl::StartsWith(result.out, "\x1b[H")) << result.out;
  EXPECT_TRUE(absl::EndsWith(result.out, "\x1b[K\x1b[J")) << result.out;
}

TEST_F(TopCommandTest, SoDoesCtrlC) {
  surroundings_.terminal = true;
  const auto run = Begin({"top", "--interval", "100ms"});
  run->out().Await("unenriched:a.csv");
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_RUNNING, "c.csv"));
  run->out().Await("unenriched:c.csv");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 0);
}

TEST_F(TopCommandTest, ARestartIsShown) {
  surroundings_.terminal = true;
  const auto run = Begin({"top", "--interval", "100ms", "--connect-timeout", "200ms"});
  run->out().Await("unenriched:a.csv");
  coordinator_.Stop();
  run->out().Await("can't be reached since");
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_RUNNING, "c.csv"));
  coordinator_.Start();
  run->out().Await("unenriched:c.csv");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->err().text(), "");
}

TEST_F(TopCommandTest, AWrongAddressIsTold) {
  coordinator_.Stop();
  surroundings_.terminal = true;
  const CliResult result = Run({"top", "--connect-timeout", "100ms"});
  EXPECT_EQ(result.code, 125);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(Run({"top", "--interval", "1ms"}).code, 2);
  EXPECT_EQ(Run({"top", "--interval", "often"}).code, 2);
}

}  // namespace
}  // namespace closewrite::cli
