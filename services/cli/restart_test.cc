// A coordinator that restarts is not noticed by those who wait, watch or follow.
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

using RestartTest = CliFixture;

TEST_F(RestartTest, WaitGoesOn) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_RUNNING, "a.csv"));
  const auto run = Begin({"wait", "7"});
  coordinator_.AwaitStreams(1);
  coordinator_.Stop();
  coordinator_.PutJob(Succeeded(7, "a.csv"));
  coordinator_.Start();
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "enriched:a.csv\n");
  EXPECT_EQ(run->err().text(), "");
}

TEST_F(RestartTest, WaitForFilesCountsNoneTwice) {
  coordinator_.PutJob(Succeeded(1, "a.csv"));
  const auto run = Begin({"wait", "--volume", "enriched", "--count", "2"});
  run->out().Await("a.csv");
  coordinator_.Stop();
  coordinator_.PutJob(Succeeded(2, "b.csv"));
  coordinator_.Start();
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "enriched:a.csv\nenriched:b.csv\n");
}

TEST_F(RestartTest, LogsComeOnceAndWhole) {
  for (const bool tail : {false, true}) {
    const int64_t id = tail ? 8 : 7;
    coordinator_.PutJob(MakeJob(id, v1::JOB_STATE_RUNNING, "a.csv"));
    coordinator_.AppendLog(id, 1, "one\ntwo\n");
    std::vector<std::string> arguments = {"logs", "-f", std::to_string(id)};
    if (tail) arguments.insert(arguments.end(), {"--tail", "1"});
    const auto run = Begin(arguments);
    run->out().Await("two\n");
    coordinator_.Stop();
    coordinator_.AppendLog(id, 1, "two\nthree\n");
    coordinator_.Start();
    run->out().Await("three\n");
    coordinator_.PutJob(MakeJob(id, v1::JOB_STATE_SUCCEEDED, "a.csv"));
    EXPECT_EQ(run->Finish(), 0);
    EXPECT_EQ(run->out().text(), tail ? "two\ntwo\nthree\n" : "one\ntwo\ntwo\nthree\n");
  }
}

TEST_F(RestartTest, SubmitIsRepeatedWithTheSameRequestId) {
  coordinator_.Stop();
  const auto run = Begin({"submit", "v:a.csv"});
  coordinator_.Start();
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "1\n");
  EXPECT_EQ(coordinator_.request_ids().size(), 1u);
}

}  // namespace
}  // namespace closewrite::cli
