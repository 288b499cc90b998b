#include "absl/strings/match.h"
#include "services/cli/cli_fixture.h"
#include "services/log/str_cat.h"

namespace closewrite::cli {
namespace {

class JobChangeCommandsTest : public CliFixture {
 protected:
  JobChangeCommandsTest() {
    coordinator_.PutJob(MakeJob(1, v1::JOB_STATE_FAILED, "2026/a.csv"));
    coordinator_.PutJob(MakeJob(2, v1::JOB_STATE_RETRYING, "2026/b.csv"));
    coordinator_.PutJob(MakeJob(3, v1::JOB_STATE_CANCELLED, "2026/c.csv"));
    coordinator_.PutJob(MakeJob(4, v1::JOB_STATE_FAILED, "2025/d.csv"));
    coordinator_.PutJob(Succeeded(5, "2026/e.csv"));
  }
};

TEST_F(JobChangeCommandsTest, ChangesWhatAFilterFinds) {
  const CliResult result = Run({"retry", "--match", "2026/**", "--yes", "-o", "name"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "2\n1\n");
  EXPECT_EQ(coordinator_.job(3).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(coordinator_.job(4).state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Run({"redrive", "--state", "cancelled", "-o", "name"}).out, "3\n");
}

TEST_F(JobChangeCommandsTest, NeedsJobsOrAFilter) {
  EXPECT_EQ(Run({"cancel"}).code, 2);
  const CliResult both = Run({"cancel", "1", "--pipeline", "enrich"});
  EXPECT_EQ(both.code, 2);
  EXPECT_EQ(both.err, "closewrite: cancel: name jobs, or filter them, but not both\n");
  const CliResult state = Run({"cancel", "--state", "available,succeeded"});
  EXPECT_EQ(state.code, 2);
  EXPECT_EQ(state.err,
            "closewrite: --state succeeded: such jobs can't be cancelled, only those in scheduled, "
            "available, running, retrying\n");
  const CliResult none = Run({"redrive", "--pipeline", "other"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.err,
            "closewrite: there is no pipeline \"other\": none is known\n"
            "closewrite: no job matches that could be redriven\n");
}

TEST_F(JobChangeCommandsTest, ADryRunChangesNothing) {
  const CliResult filtered = Run({"redrive", "--pipeline", "enrich", "--dry-run", "-o", "name"});
  EXPECT_EQ(filtered.code, 0);
  EXPECT_EQ(filtered.out, "4\n1\n");
  EXPECT_EQ(filtered.err, "closewrite: dry run: 2 jobs would be redriven; nothing was changed\n");
  const CliResult named = Run({"retry", "1", "5", "99", "--dry-run", "-o", "name"});
  EXPECT_EQ(named.code, 1);
  EXPECT_EQ(named.out, "1\n");
  EXPECT_EQ(named.err,
            "closewrite: job 5 is succeeded and can't be retried\n"
            "closewrite: there is no job 99\n"
            "closewrite: dry run: 1 job would be retried; nothing was changed\n");
  EXPECT_TRUE(coordinator_.request_ids().empty());
}

TEST_F(JobChangeCommandsTest, AsksOnATerminal) {
  surroundings_.terminal = true;
  surroundings_.in = "\n";
  const CliResult no = Run({"redrive", "--pipeline", "enrich", "-o", "name"});
  EXPECT_EQ(no.code, 1);
  EXPECT_EQ(no.err, "closewrite: redrive 2 jobs? [y/N] closewrite: nothing was changed\n");
  surroundings_.in = "Yes\n";
  EXPECT_EQ(Run({"redrive", "--pipeline", "enrich", "-o", "name"}).out, "4\n1\n");
  surroundings_.in = "";
  EXPECT_EQ(Run({"retry", "--pipeline", "enrich", "-o", "name"}).out, "2\n");  // one: no question
  const auto run = Begin({"cancel", "--pipeline", "enrich"});
  run->err().Await("[y/N]");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
}

TEST_F(JobChangeCommandsTest, AsksNobodyElsewhere) {
  const CliResult result = Run({"redrive", "--pipeline", "enrich"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            "closewrite: there is nobody to ask whether to redrive 2 jobs: --yes does it without "
            "asking\n");
  EXPECT_TRUE(coordinator_.request_ids().empty());
}

TEST_F(JobChangeCommandsTest, GoesOnWithoutThoseThatCantBeChangedAnyMore) {
  for (int64_t id = 100; id < 1200; ++id) {
    coordinator_.PutJob(MakeJob(id, v1::JOB_STATE_AVAILABLE, StrCat("many/", id)));
  }
  coordinator_.MakeStuck(500);
  const CliResult result =
      Run({"cancel", "--match", "many/**", "--yes", "--reason", "old", "-o", "name"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1099);
  EXPECT_EQ(result.err, "closewrite: job 500 was not cancelled: job 500 is stuck\n");
  EXPECT_EQ(coordinator_.job(100).message(), "old");
}

}  // namespace
}  // namespace closewrite::cli
