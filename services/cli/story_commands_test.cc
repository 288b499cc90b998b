#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class StoryCommandsTest : public CliFixture {
 protected:
  StoryCommandsTest() {
    coordinator_.PutJob(MakeJob(41, v1::JOB_STATE_SUCCEEDED, "a.csv"));
    for (int64_t token : {3, 8}) {
      v1::Attempt attempt;
      attempt.set_token(token);
      attempt.set_number(token == 3 ? 1 : 2);
      coordinator_.PutAttempt(41, attempt);
    }
    coordinator_.AppendLog(41, 3, "first\n");
    coordinator_.AppendLog(41, 8, std::string("one\ntwo \xff\0three\nfour\n", 21));
  }
};

TEST_F(StoryCommandsTest, PrintsTheBytesOfTheNewestLog) {
  const CliResult result = Run({"logs", "41"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, std::string("one\ntwo \xff\0three\nfour\n", 21));
}

TEST_F(StoryCommandsTest, FindsAttemptsByNumberOrToken) {
  EXPECT_EQ(Run({"logs", "41", "--attempt", "1"}).out, "first\n");
  EXPECT_EQ(Run({"logs", "41", "--attempt", "3"}).out, "first\n");
  const CliResult missing = Run({"logs", "41", "--attempt", "9"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err, "closewrite: job 41 has no attempt 9; it has 1 (token 3), 2 (token 8)\n");
}

TEST_F(StoryCommandsTest, FollowsATail) {
  EXPECT_EQ(Run({"logs", "-f", "41", "--tail", "1"}).out, "four\n");
  EXPECT_EQ(Run({"logs", "-f", "41", "--tail", "2"}).out,
            std::string("two \xff\0three\nfour\n", 17));
  EXPECT_EQ(Run({"logs", "-f", "41", "--tail", "99"}).out.size(), 21u);
}

TEST_F(StoryCommandsTest, FollowsUntilTheJobIsFinished) {
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_RUNNING, "b.csv"));
  coordinator_.AppendLog(42, 1, "begin\n");
  const auto run = Begin({"logs", "-f", "42"});
  run->out().Await("begin\n");
  coordinator_.AppendLog(42, 1, "end\n");
  run->out().Await("end\n");
  coordinator_.AppendLog(42, 2, "again\n");
  run->out().Await("again\n");
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_SUCCEEDED, "b.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "begin\nend\nagain\n");
  EXPECT_EQ(run->err().text(), "closewrite: here begins the next attempt of job 42 (token 2)\n");
}

TEST_F(StoryCommandsTest, FollowingTimesOutWith124) {
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_RUNNING, "b.csv"));
  const CliResult result = Run({"logs", "-f", "42", "--timeout", "100ms"});
  EXPECT_EQ(result.code, 124);
  EXPECT_TRUE(absl::StrContains(result.err, "job 42 goes on")) << result.err;
}

TEST_F(StoryCommandsTest, ExplainsJobsAndFiles) {
  v1::ExplainResponse story;
  v1::StoryLine* seen = story.add_lines();
  seen->mutable_at()->set_seconds(1795345200);
  seen->set_topic("SEEN");
  seen->set_text("vm-b saw close_write of 1234 bytes");
  v1::StoryLine* log = story.add_lines();
  log->set_topic("LOG");
  log->set_text("oops");
  story.add_lines()->set_text("waits: no executor with label internet");
  coordinator_.SetStory(story);
  EXPECT_EQ(Run({"explain", "41"}).out,
            "2026-11-22T11:00:00.000Z  vm-b saw close_write of 1234 bytes\n"
            "                          oops\n"
            "now                       waits: no executor with label internet\n");
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "job_id: 41"));
  const auto json = nlohmann::json::parse(Run({"explain", "unenriched:a.csv", "-o", "json"}).out);
  EXPECT_EQ(json["lines"][0]["topic"], "SEEN");
  EXPECT_TRUE(json["lines"][2]["at"].is_null());
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "path: \"a.csv\""));
}

}  // namespace
}  // namespace closewrite::cli
