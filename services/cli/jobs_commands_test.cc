#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/cli/table.h"

namespace closewrite::cli {
namespace {

class JobsCommandsTest : public CliFixture {
 protected:
  JobsCommandsTest() {
    v1::Job waiting = MakeJob(3, v1::JOB_STATE_AVAILABLE, "sub/Ü \n.csv");
    waiting.set_attempts(0);
    waiting.mutable_waiting()->set_reason(v1::WAITING_REASON_NO_EXECUTOR);
    waiting.mutable_waiting()->set_message("no executor with label internet");
    coordinator_.PutJob(waiting);
    v1::Job failed = MakeJob(12, v1::JOB_STATE_FAILED, "b.csv");
    failed.set_attempts(5);
    failed.set_host("vm-c");
    failed.set_exit_code(3);
    failed.set_message("exit 3");
    coordinator_.PutJob(failed);
  }
};

TEST_F(JobsCommandsTest, ListsATable) {
  const CliResult result = Run({"jobs"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "ID  PIPELINE  STATE      INPUT                    ATTEMPTS  HOST  "
            "CREATED                   WHY\n"
            "12  enrich    failed     unenriched:b.csv         5/5       vm-c  "
            "2026-11-22T11:00:00.000Z  exit 3\n"
            " 3  enrich    available  unenriched:sub/Ü \\n.csv  0/5             "
            "2026-11-22T11:00:00.000Z  no executor with label internet\n");
}

TEST_F(JobsCommandsTest, ColorsAndAgesOnATerminal) {
  surroundings_.terminal = true;
  const CliResult result = Run({"jobs"});
  EXPECT_TRUE(absl::StrContains(result.out, "AGE")) << result.out;
  EXPECT_TRUE(absl::StrContains(result.out, "\x1b[31mfailed\x1b[0m")) << result.out;
  surroundings_.environment["NO_COLOR"] = "1";
  EXPECT_FALSE(absl::StrContains(Run({"jobs"}).out, "\x1b"));
}

TEST_F(JobsCommandsTest, FitsATerminal) {
  surroundings_.terminal = true;
  surroundings_.width = 90;
  int longest = 0;
  for (const absl::string_view line : absl::StrSplit(Run({"jobs", "--color", "never"}).out, '\n')) {
    longest = std::max(longest, TextWidth(std::string(line)));
  }
  EXPECT_GT(longest, 60);
  EXPECT_LE(longest, 90);
  EXPECT_FALSE(absl::StrContains(Run({"jobs", "--color", "never", "-o", "wide"}).out, "…"));
}

TEST_F(JobsCommandsTest, ListsJson) {
  const CliResult result = Run({"jobs", "-o", "json"});
  std::istringstream lines(result.out);
  std::string line;
  std::vector<nlohmann::json> jobs;
  while (std::getline(lines, line)) jobs.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0]["id"], 12);
  EXPECT_EQ(jobs[0]["state"], "failed");
  EXPECT_EQ(jobs[0]["exit_code"], 3);
  EXPECT_TRUE(jobs[1]["exit_code"].is_null());
  EXPECT_EQ(jobs[1]["waiting"]["reason"], "no_executor");
  EXPECT_EQ(jobs[1]["input"]["path"], "sub/Ü \\n.csv");
  EXPECT_EQ(jobs[1]["input"]["path_base64"], "c3ViL8OcIAouY3N2");
}

TEST_F(JobsCommandsTest, FiltersByState) {
  EXPECT_EQ(Run({"jobs", "--state", "failed,cancelled", "-o", "name"}).out, "12\n");
  EXPECT_EQ(Run({"jobs", "--state", "failed", "--state", "available", "-o", "name"}).out,
            "12\n3\n");
  const CliResult wrong = Run({"jobs", "--state", "fialed"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(absl::StrContains(wrong.err, "failed")) << wrong.err;
}

TEST_F(JobsCommandsTest, PagesThroughLongLists) {
  for (int i = 100; i < 2600; ++i) {
    coordinator_.PutJob(MakeJob(i, v1::JOB_STATE_SUCCEEDED, std::to_string(i)));
  }
  const auto count = [](const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(count(Run({"jobs", "--limit", "0", "-o", "name"}).out), 2502);
  EXPECT_EQ(count(Run({"jobs", "--limit", "1500", "-o", "name"}).out), 1500);
  const CliResult some = Run({"jobs", "-o", "name"});
  EXPECT_EQ(count(some.out), 100);
  EXPECT_EQ(some.err, "closewrite: there are more than 100; --limit 0 shows all\n");
}

TEST_F(JobsCommandsTest, ShowsAJobWithItsAttempts) {
  v1::Attempt attempt;
  attempt.set_token(7);
  attempt.set_number(5);
  attempt.set_host("vm-c");
  attempt.set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
  attempt.set_exit_code(3);
  attempt.mutable_started_at()->set_seconds(1795345201);
  attempt.mutable_ended_at()->set_seconds(1795345203);
  attempt.mutable_cpu()->set_seconds(1);
  attempt.set_max_rss_bytes(5 << 20);
  attempt.set_log_bytes(77);
  attempt.set_message("exit 3");
  coordinator_.PutAttempt(12, attempt);
  const CliResult result = Run({"job", "12"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(absl::StrContains(result.out, "state       failed\n")) << result.out;
  EXPECT_TRUE(absl::StrContains(result.out, "attempts    5 of 5\n")) << result.out;
  EXPECT_TRUE(absl::StrContains(
      result.out,
      "ATTEMPT  TOKEN  HOST  OUTCOME  EXIT  STARTED                   TOOK  CPU   RSS      LOG   "
      "MESSAGE\n"
      "      5      7  vm-c  failed   3     2026-11-22T11:00:01.000Z  2.0s  1.0s  5.0 MiB  77 B  "
      "exit 3\n"))
      << result.out;
  const auto json = nlohmann::json::parse(Run({"job", "12", "-o", "json"}).out);
  EXPECT_EQ(json["job"]["id"], 12);
  EXPECT_EQ(json["attempts"][0]["outcome"], "failed");
  EXPECT_EQ(json["attempts"][0]["cpu"], 1.0);
}

TEST_F(JobsCommandsTest, CancelsRetriesAndRedrives) {
  const CliResult cancelled = Run({"cancel", "3", "--reason", "wrong file"});
  EXPECT_EQ(cancelled.code, 0);
  EXPECT_TRUE(absl::StrContains(cancelled.out, "cancelled")) << cancelled.out;
  EXPECT_EQ(coordinator_.job(3).message(), "wrong file");
  EXPECT_EQ(Run({"retry", "3", "12", "-o", "name"}).out, "3\n12\n");
  EXPECT_EQ(coordinator_.job(12).state(), v1::JOB_STATE_AVAILABLE);
  EXPECT_EQ(Run({"redrive", "12"}).code, 0);
  EXPECT_TRUE(absl::StrContains(coordinator_.requests().back(), "redrive: true"));
  const CliResult missing = Run({"cancel", "3", "99"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err, "closewrite: no job has the id 99\n");
}

TEST_F(JobsCommandsTest, EachChangeHasARequestIdOfItsOwn) {
  coordinator_.FailCalls(1, absl::UnavailableError("restarting"));
  EXPECT_EQ(Run({"retry", "3"}).code, 0);
  EXPECT_EQ(Run({"retry", "3"}).code, 0);
  const auto ids = coordinator_.request_ids();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_NE(ids[1], ids[2]);
}

}  // namespace
}  // namespace closewrite::cli
