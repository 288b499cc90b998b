#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/cli/time_text.h"
#include "services/log/str_cat.h"

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

TEST_F(StoryCommandsTest, SilenceIsTold) {
  coordinator_.PutJob(MakeJob(8, v1::JOB_STATE_AVAILABLE, "b.csv"));
  const CliResult result = Run({"logs", "8"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "closewrite: job 8 has printed nothing, or has not started yet\n");
}

TEST_F(StoryCommandsTest, FindsAttemptsByNumberOrToken) {
  EXPECT_EQ(Run({"logs", "41", "--attempt", "1"}).out, "first\n");
  EXPECT_EQ(Run({"logs", "41", "--attempt", "3"}).out, "first\n");
  EXPECT_EQ(Run({"logs", "41", "--token", "3"}).out, "first\n");
  EXPECT_EQ(Run({"logs", "41", "--token", "1"}).err,
            "closewrite: job 41 has no token 1; it has 1 (token 3), 2 (token 8)\n");
  EXPECT_EQ(Run({"logs", "41", "--token", "3", "--attempt", "1"}).code, 2);
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

TEST_F(StoryCommandsTest, StreamsAreToldApart) {
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_SUCCEEDED, "b.csv"));
  coordinator_.AppendLog(42, 1, "out 1\n");
  coordinator_.AppendLog(42, 1, "err 1\n", v1::LOG_STREAM_STDERR);
  coordinator_.AppendLog(42, 1, "[9 bytes left out]\n", v1::LOG_STREAM_NOTE);
  coordinator_.AppendLog(42, 1, "out 2\n");
  EXPECT_EQ(Run({"logs", "42"}).out, "out 1\nerr 1\n[9 bytes left out]\nout 2\n");
  const CliResult out = Run({"logs", "42", "--stdout"});
  EXPECT_EQ(out.out, "out 1\nout 2\n");
  EXPECT_EQ(out.err, "closewrite: [9 bytes left out]\n");
  EXPECT_EQ(Run({"logs", "42", "--stderr"}).out, "err 1\n");
  EXPECT_EQ(Run({"logs", "42", "--stdout", "--stderr"}).out, "out 1\nerr 1\nout 2\n");
  EXPECT_EQ(Run({"logs", "42", "--stdout", "--tail", "1"}).out, "out 2\n");
}

TEST_F(StoryCommandsTest, LinesHaveTimes) {
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_SUCCEEDED, "b.csv"));
  coordinator_.AppendLog(42, 1, "be");
  coordinator_.AppendLog(42, 1, "err\n", v1::LOG_STREAM_STDERR);
  coordinator_.AppendLog(42, 1, "gin\nend");
  const auto at = [](int second) {
    return Rfc3339Local(absl::FromUnixSeconds(FakeCoordinator::kLogTime + second),
                        absl::LocalTimeZone());
  };
  EXPECT_EQ(Run({"logs", "42", "--timestamps"}).out,
            StrCat(at(2), " err\n", at(1), " begin\n", at(3), " end\n"));
  EXPECT_EQ(Run({"logs", "42", "--timestamps", "--stderr"}).out, StrCat(at(2), " err\n"));
}

TEST_F(StoryCommandsTest, LinesAreObjectsForPrograms) {
  const std::string json = Run({"logs", "41", "-o", "json"}).out;
  EXPECT_EQ(json, R"({"token":8,"time":"2026-11-22T11:00:01.000Z","stream":"stdout","text":"one"})"
                  "\n"
                  R"({"token":8,"time":"2026-11-22T11:00:01.000Z","stream":"stdout",)"
                  R"("text":"two \\xff\\x00three","text_base64":"dHdvIP8AdGhyZWU="})"
                  "\n"
                  R"({"token":8,"time":"2026-11-22T11:00:01.000Z","stream":"stdout","text":"four"})"
                  "\n");
  EXPECT_EQ(Run({"logs", "41", "-o", "table"}).code, 2);
}

TEST_F(StoryCommandsTest, ATimedFollowGoesOnOverAttempts) {
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_RUNNING, "b.csv"));
  coordinator_.AppendLog(42, 1, "first\nno end");
  const auto run = Begin({"logs", "-f", "42", "-o", "json"});
  run->out().Await("first");
  coordinator_.AppendLog(42, 2, "again\n");
  run->out().Await("again");
  coordinator_.PutJob(MakeJob(42, v1::JOB_STATE_SUCCEEDED, "b.csv"));
  EXPECT_EQ(run->Finish(), 0);
  const std::string text = run->out().text();
  EXPECT_LT(text.find(R"("text":"no end")"), text.find(R"("token":2)")) << text;
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

TEST_F(StoryCommandsTest, TheVerdictComesFirst) {
  v1::ExplainResponse story;
  const auto add = [&](const char* topic, const char* text) {
    story.add_lines()->set_topic(topic);
    story.mutable_lines(story.lines_size() - 1)->set_text(text);
  };
  add("VERDICT", "job 41 failed: exit 3");
  add("ADVICE", "closewrite logs 41");
  add("ADVICE", "closewrite redrive 41");
  add("JOB", "job 41 of pipeline enrich");
  story.mutable_lines(3)->mutable_at()->set_seconds(1795345200);
  add("LOOK", "it is there and nobody writes it");
  *story.add_jobs()->mutable_job() = MakeJob(41, v1::JOB_STATE_FAILED, "a.csv");
  coordinator_.SetStory(story);
  const std::string rest =
      "  -> closewrite logs 41\n"
      "  -> closewrite redrive 41\n"
      "\n"
      "2026-11-22T11:00:00.000Z  job 41 of pipeline enrich\n"
      "now                       it is there and nobody writes it\n";
  EXPECT_EQ(Run({"explain", "41"}).out, "job 41 failed: exit 3\n" + rest);
  EXPECT_EQ(Run({"explain", "41", "--color", "always"}).out,
            "\x1b[1m\x1b[31mjob 41 failed: exit 3\x1b[0m\n" + rest);
}

}  // namespace
}  // namespace closewrite::cli
