#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class ReplayCommandTest : public CliFixture {
 protected:
  ReplayCommandTest() {
    coordinator_.PutJob(Succeeded(1, "a.csv"));
    coordinator_.PutJob(MakeJob(2, v1::JOB_STATE_FAILED, "b.csv"));
    coordinator_.PutJob(Succeeded(3, "a.csv"));
    v1::Job other = Succeeded(4, "c.csv");
    other.set_pipeline("other");
    coordinator_.PutJob(other);
  }
};

TEST_F(ReplayCommandTest, SubmitsEachFileOnce) {
  const CliResult result =
      Run({"replay", "--pipeline", "enrich", "--since", "2026-11-22T00:00:00Z", "--yes"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "5\n6\n");
  EXPECT_EQ(coordinator_.job(5).input().path(), "b.csv");
  EXPECT_EQ(coordinator_.job(6).input().path(), "a.csv");
  EXPECT_EQ(coordinator_.job(6).pipeline(), "enrich");
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "again: true"));
}

TEST_F(ReplayCommandTest, NarrowsThemDown) {
  EXPECT_EQ(Run({"replay", "--pipeline", "enrich", "--match", "*.csv", "--state", "failed"}).out,
            "5\n");
  const CliResult none = Run({"replay", "--pipeline", "enrich", "--match", "x/**"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.err, "closewrite: no such job of pipeline enrich; nothing to replay\n");
  EXPECT_EQ(Run({"replay", "--pipeline", "enrich"}).code, 2);
  EXPECT_EQ(Run({"replay", "--since", "2d"}).code, 2);
}

TEST_F(ReplayCommandTest, ADryRunPrintsTheFiles) {
  const CliResult result = Run({"replay", "--pipeline", "enrich", "--match", "*", "--dry-run"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "unenriched:b.csv\nunenriched:a.csv\n");
  EXPECT_EQ(result.err,
            "closewrite: dry run: 2 files would be submitted again; nothing was changed\n");
  EXPECT_TRUE(coordinator_.request_ids().empty());
  EXPECT_EQ(Run({"replay", "--pipeline", "other", "--match", "*", "--dry-run", "-o", "json"}).out,
            "{\"volume\":\"unenriched\",\"path\":\"c.csv\"}\n");
}

TEST_F(ReplayCommandTest, AsksBeforeSeveral) {
  const std::vector<std::string> arguments = {"replay", "--pipeline", "enrich", "--match", "*"};
  EXPECT_EQ(Run(arguments).code, 2);
  surroundings_.terminal = true;
  surroundings_.in = "n\n";
  EXPECT_EQ(Run(arguments).code, 1);
  EXPECT_TRUE(coordinator_.request_ids().empty());
  surroundings_.in = "y\n";
  const CliResult result = Run(arguments);
  EXPECT_EQ(result.out, "5\n6\n");
  EXPECT_EQ(result.err, "closewrite: replay 2 files? [y/N] ");
}

TEST_F(ReplayCommandTest, GoesOnWithoutFilesThatAreGone) {
  for (int64_t id = 100; id < 2200; ++id) {
    coordinator_.PutJob(Succeeded(id, StrCat("many/", id)));
  }
  coordinator_.LoseFile("many/777");
  const CliResult result = Run({"replay", "--pipeline", "enrich", "--match", "many/**", "--yes"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2099);
  EXPECT_EQ(result.err,
            "closewrite: unenriched:many/777 was not submitted: many/777 is gone\n"
            "closewrite: 1 of 2100 files could not be submitted\n");
}

}  // namespace
}  // namespace closewrite::cli
