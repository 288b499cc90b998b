#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

using SubmitCommandsTest = CliFixture;

TEST_F(SubmitCommandsTest, PrintsIdsInOrder) {
  const CliResult result =
      Run({"submit", "--pipeline", "other", "unenriched:a.csv", "unenriched:b.csv"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "1\n2\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(coordinator_.job(2).pipeline(), "other");
  const auto json = nlohmann::json::parse(Run({"run", "unenriched:c.csv", "-o", "json"}).out);
  EXPECT_EQ(json["id"], 3);
  EXPECT_EQ(json["state"], "available");
}

TEST_F(SubmitCommandsTest, NotesJobsThatExisted) {
  coordinator_.PutJob(Succeeded(41, "a.csv"));
  const CliResult result = Run({"submit", "unenriched:a.csv"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "41\n");
  EXPECT_EQ(result.err, "closewrite: job 41 existed already (succeeded): unenriched:a.csv\n");
}

TEST_F(SubmitCommandsTest, TakesOddNamesAsTheyAre) {
  const std::vector<std::string> names = {"[a,b]", "++", "jobs", "-x --wait", "a\n$(x)\xff"};
  for (const std::string& name : names) {
    ASSERT_EQ(Run({"submit", "--", "v:" + name}).code, 0) << name;
    const int64_t id = static_cast<int64_t>(&name - names.data()) + 1;
    EXPECT_EQ(coordinator_.job(id).input().path(), name);
  }
}

TEST_F(SubmitCommandsTest, MapsLocalPathsByTheFleetsRoots) {
  const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "mapped";
  std::filesystem::create_directories(root / "sub");
  v1::WatcherStatus watcher;
  watcher.set_host("vm-b");
  watcher.add_volumes()->set_volume("unenriched");
  watcher.mutable_volumes(0)->set_root(root.native());
  coordinator_.PutWatcher(watcher);
  EXPECT_EQ(Run({"submit", (root / "sub/[a,b]").native()}).code, 0);
  EXPECT_EQ(coordinator_.job(1).input().volume(), "unenriched");
  EXPECT_EQ(coordinator_.job(1).input().path(), "sub/[a,b]");
  const CliResult outside = Run({"submit", "/elsewhere/a.csv"});
  EXPECT_EQ(outside.code, 2);
  EXPECT_TRUE(absl::StrContains(outside.err, "unenriched at " + root.native() + " on vm-b"))
      << outside.err;
  const CliResult directory = Run({"submit", (root / "sub").native()});
  EXPECT_EQ(directory.code, 2);
  EXPECT_TRUE(absl::StrContains(directory.err, "is a directory")) << directory.err;
}

TEST_F(SubmitCommandsTest, KeepsTheUsersKey) {
  EXPECT_EQ(Run({"submit", "--idempotency-key", "nightly", "v:a"}).code, 0);
  EXPECT_EQ(coordinator_.request_ids(), std::vector<std::string>{"nightly"});
}

TEST_F(SubmitCommandsTest, RunWaitPassesTheCommandsExitCode) {
  const auto run = Begin({"run", "--wait", "v:a.csv"});
  coordinator_.AwaitStreams(1);
  v1::Job failed = MakeJob(1, v1::JOB_STATE_FAILED, "a.csv");
  failed.set_exit_code(42);
  failed.set_message("exit 42");
  coordinator_.PutJob(failed);
  EXPECT_EQ(run->Finish(), 42);
  EXPECT_EQ(run->out().text(), "1\n");
  EXPECT_EQ(run->err().text(), "closewrite: job 1 failed: exit 42; see `closewrite logs 1`\n");
}

TEST_F(SubmitCommandsTest, RunWaitShowsTheLog) {
  const auto run = Begin({"run", "--wait", "--log", "v:a.csv"});
  coordinator_.AwaitStreams(1);
  coordinator_.AppendLog(1, 1, "reading\n");
  run->err().Await("reading\n");
  coordinator_.PutJob(Succeeded(1, "a.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "1\n");
  EXPECT_EQ(run->err().text(), "reading\nenriched:a.csv\n");
  EXPECT_EQ(Run({"run", "--log", "v:b.csv"}).code, 2);
}

TEST_F(SubmitCommandsTest, FirstInterruptDetachesSecondCancels) {
  const auto run = Begin({"run", "--wait", "v:a.csv"});
  coordinator_.AwaitStreams(1);
  run->CtrlC();
  run->err().Await("Attach again: closewrite wait 1");
  EXPECT_NE(coordinator_.job(1).state(), v1::JOB_STATE_CANCELLED);
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
  EXPECT_EQ(coordinator_.job(1).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(absl::StrContains(run->err().text(), "job 1 cancelled")) << run->err().text();
}

TEST_F(SubmitCommandsTest, WhatWasThereBeforeIsNotCancelled) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_RUNNING, "a.csv"));
  const auto run = Begin({"run", "--wait", "v:a.csv"});
  coordinator_.AwaitStreams(1);
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
  EXPECT_EQ(coordinator_.job(7).state(), v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(absl::StrContains(run->err().text(), "cancel")) << run->err().text();
}

TEST_F(SubmitCommandsTest, WaitPrintsPublishedFiles) {
  coordinator_.PutJob(Succeeded(41, "a\n.csv"));
  coordinator_.PutJob(Succeeded(42, "b.csv"));
  const CliResult result = Run({"wait", "41", "42", "41"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "enriched:a\\n.csv\nenriched:b.csv\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(SubmitCommandsTest, WaitReportsTheFirstFailureInTheOrderAsked) {
  v1::Job seven = MakeJob(7, v1::JOB_STATE_FAILED, "a");
  seven.set_exit_code(7);
  v1::Job eight = MakeJob(8, v1::JOB_STATE_FAILED, "b");
  eight.set_exit_code(8);
  coordinator_.PutJob(seven);
  coordinator_.PutJob(eight);
  coordinator_.PutJob(MakeJob(9, v1::JOB_STATE_CANCELLED, "c"));
  EXPECT_EQ(Run({"wait", "8", "7"}).code, 8);
  EXPECT_EQ(Run({"wait", "7", "8"}).code, 7);
  EXPECT_EQ(Run({"wait", "9", "8"}).code, 1);
  EXPECT_EQ(Run({"wait", "7", "99"}).code, 1);
}

TEST_F(SubmitCommandsTest, WaitTellsSignals) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_FAILED, "a"));
  EXPECT_EQ(Run({"wait", "7"}).code, 1);
  v1::Attempt attempt;
  attempt.set_signal(9);
  coordinator_.PutAttempt(7, attempt);
  EXPECT_EQ(Run({"wait", "7"}).code, 137);
}

TEST_F(SubmitCommandsTest, WaitTimesOutWithIdsOnStdout) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_RUNNING, "a"));
  coordinator_.PutJob(Succeeded(8, "b.csv"));
  const CliResult result = Run({"wait", "7", "8", "--timeout", "300ms"});
  EXPECT_EQ(result.code, 124);
  EXPECT_EQ(result.out, "enriched:b.csv\n7\n");
  EXPECT_EQ(result.err,
            "closewrite: the wait timed out; 1 of 2 jobs go on. Attach again: closewrite wait 7\n");
  const CliResult json = Run({"wait", "7", "--timeout", "300ms", "-o", "json"});
  EXPECT_EQ(json.code, 124);
  EXPECT_EQ(nlohmann::json::parse(json.out)["state"], "running");
}

TEST_F(SubmitCommandsTest, WaitDetachesOnInterrupt) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_RUNNING, "a"));
  const auto run = Begin({"wait", "7"});
  coordinator_.AwaitStreams(1);
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
  EXPECT_EQ(run->out().text(), "7\n");
  EXPECT_TRUE(absl::StrContains(run->err().text(), "Attach again: closewrite wait 7\n"));
  EXPECT_EQ(coordinator_.job(7).state(), v1::JOB_STATE_RUNNING);
}

TEST_F(SubmitCommandsTest, WaitsForPublishedFiles) {
  coordinator_.PutJob(Succeeded(1, "sub/a.csv"));
  coordinator_.PutJob(Succeeded(2, "b.csv"));
  const auto run = Begin({"wait", "--volume", "enriched", "--match", "**/*.csv", "--count", "3"});
  coordinator_.AwaitStreams(1);
  coordinator_.PutJob(Succeeded(3, "notes.txt"));
  coordinator_.PutJob(Succeeded(4, "b.csv"));  // the same name again
  coordinator_.PutJob(MakeJob(5, v1::JOB_STATE_FAILED, "d.csv"));
  run->err().Await("job 5 failed");
  coordinator_.PutJob(Succeeded(6, "c.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "enriched:sub/a.csv\nenriched:b.csv\nenriched:c.csv\n");
}

TEST_F(SubmitCommandsTest, WaitForFilesTimesOut) {
  coordinator_.PutJob(Succeeded(1, "a.csv"));
  const CliResult result =
      Run({"wait", "--volume", "enriched", "--count", "2", "--timeout", "200ms", "-o", "json"});
  EXPECT_EQ(result.code, 124);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["path"], "a.csv");
  EXPECT_EQ(json["job_id"], 1);
  EXPECT_EQ(result.err, "closewrite: the wait timed out; 1 of 2 files are there\n");
}

TEST_F(SubmitCommandsTest, WaitDrawsABarOnATerminalOnly) {
  coordinator_.PutJob(Succeeded(1, "a.csv"));
  for (const bool terminal : {true, false}) {
    coordinator_.PutJob(MakeJob(2, v1::JOB_STATE_RUNNING, "b.csv"));
    surroundings_.terminal = terminal;
    const auto run = Begin({"wait", "1", "2"});
    coordinator_.AwaitStreams(terminal ? 1 : 2);
    if (terminal) run->err().Await("1/2 jobs");
    coordinator_.PutJob(Succeeded(2, "b.csv"));
    EXPECT_EQ(run->Finish(), 0);
    EXPECT_EQ(absl::StrContains(run->err().text(), "2/2 jobs"), terminal);
  }
}

TEST_F(SubmitCommandsTest, WaitForOneJobDrawsItsOwnProgress) {
  v1::Job job = MakeJob(1, v1::JOB_STATE_RUNNING, "a.csv");
  job.mutable_progress()->set_done(40);
  job.mutable_progress()->set_total(100);
  coordinator_.PutJob(job);
  surroundings_.terminal = true;
  const auto run = Begin({"wait", "1"});
  run->err().Await("40/100");
  coordinator_.PutJob(Succeeded(1, "a.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_TRUE(absl::StrContains(run->err().text(), "40/100"));
}

TEST_F(SubmitCommandsTest, WaitRefusesUnclearQuestions) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"wait"},
                                             {"wait", "1", "--volume", "v"},
                                             {"wait", "1", "--match", "*"},
                                             {"wait", "--volume", "v", "--match", "[a"},
                                             {"wait", "--volume", "v", "--count", "0"}}) {
    EXPECT_EQ(Run(arguments).code, 2);
  }
}

}  // namespace
}  // namespace closewrite::cli
