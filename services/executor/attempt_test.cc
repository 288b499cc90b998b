#include "services/executor/attempt.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "services/clock/clock.h"
#include "services/config/config.h"
#include "services/executor/attempt_fixture.h"
#include "services/log_record/log_record.h"

namespace closewrite::executor {
namespace {

namespace fs = std::filesystem;

// `when: create` and `when: delete`: the job is about the name.
TEST_F(AttemptTest, InputThatIsUncheckedMayChangeOrBeGone) {
  v1::Assignment job = Job("a/f.csv", "abc", {"sh", "-c", "echo $0 > $1", "{input}", "{output}"});
  job.set_input_unchecked(true);
  std::ofstream(root_ + "/in/a/f.csv") << "another version";
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(ReadFile(Staged("a/f.csv")), root_ + "/in/a/f.csv\n");
  fs::remove_all(root_ + "/in/a");
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(AttemptTest, CopiesAFile) {
  const v1::AttemptResult result =
      RunJob(Job("a/b/f.csv", "abc", {"/bin/cp", "--", "{input}", "{output}"}));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED) << result.message();
  EXPECT_EQ(result.lease().job_id(), 7);
  EXPECT_EQ(result.lease().token(), 2);
  ASSERT_EQ(result.files_size(), 1);
  EXPECT_EQ(result.files(0).path(), "a/b/f.csv");
  EXPECT_EQ(result.files(0).size(), 3);
  EXPECT_EQ(result.files(0).sha256().size(), 32);
  EXPECT_EQ(ReadFile(Staged("a/b/f.csv")), "abc");
  EXPECT_TRUE(fs::is_empty(root_ + "/state/scratch"));
}

TEST_F(AttemptTest, NamesAreBytes) {
  const std::string long_name(255, 'n');
  for (const std::string& name :
       {std::string("a b.csv"), std::string("a\nb"), std::string("'\"`"), std::string("$(touch x)"),
        std::string("-rf"), std::string("\xff\xfe\x80"), long_name, std::string("{job};*?[]\\"),
        "-d ir/" + long_name}) {
    const v1::AttemptResult result = RunJob(Job(name, name, {"cp", "{input}", "{output}"}));
    ASSERT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED) << name << result.message();
    ASSERT_EQ(result.files_size(), 1);
    EXPECT_EQ(result.files(0).path(), name);
    EXPECT_EQ(ReadFile(Staged(name)), name);
    EXPECT_TRUE(v1::AttemptResult().ParseFromString(result.SerializeAsString()));
  }
}

TEST_F(AttemptTest, TellsTheCommandWhatItIsAbout) {
  v1::Assignment job = Script(
      "printf '%s|' \"$CLOSEWRITE_JOB\" \"$CLOSEWRITE_TOKEN\" \"$CLOSEWRITE_PATH\" "
      "\"$CLOSEWRITE_COORDINATOR\" \"$REGION\"; test \"$PWD\" = \"$(pwd -P)\" && ls -A");
  (*job.mutable_env())["REGION"] = "eu";
  auto attempt = Begin(job);
  EXPECT_EQ(WaitFor(*attempt).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(LogText(*attempt->log()->Read(0, 1 << 20)), "7|2|f.csv|vm-a:7400|eu|");
}

TEST_F(AttemptTest, ReportsExitCodesAndSignals) {
  v1::AttemptResult result = RunJob(Script("exit 3"));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(result.exit_code(), 3);
  EXPECT_EQ(result.message(), "exit code 3");
  EXPECT_TRUE(StagingIsGone());
  result = RunJob(Script("exit 75"));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_TEMPORARY_FAILURE);
  EXPECT_EQ(result.exit_code(), 75);
  result = RunJob(Script("kill -SEGV $$"));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(result.signal(), 11);
  EXPECT_FALSE(result.has_exit_code());
  EXPECT_TRUE(RunJob(Script("exit 0")).has_exit_code());
}

TEST_F(AttemptTest, NamesAProgramThatIsNotThere) {
  v1::AttemptResult result = RunJob(Job("f", "", {"no-such-program"}));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_NE(result.message().find("`no-such-program` was not found on vm-c"), std::string::npos)
      << result.message();
  EXPECT_FALSE(result.has_exit_code());
  std::ofstream(root_ + "/uninterpreted") << "#!/opt/none\n";
  fs::permissions(root_ + "/uninterpreted", fs::perms::owner_all);
  v1::Assignment job = Job("f", "", {"uninterpreted"});
  (*job.mutable_env())["PATH"] = "/usr/bin:" + root_;
  result = RunJob(job);
  EXPECT_NE(result.message().find("`#!/opt/none`, which does not exist on vm-c"), std::string::npos)
      << result.message();
}

TEST_F(AttemptTest, TimesOut) {
  v1::Assignment job = Script("sleep 1000");
  *job.mutable_timeout() = ToProto(absl::Milliseconds(100));
  const v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_TIMED_OUT);
  EXPECT_EQ(result.message(), "ran longer than its timeout of 100ms");
  EXPECT_TRUE(StagingIsGone());
}

TEST_F(AttemptTest, AnInputThatDoesNotShowStartsNothing) {
  v1::Assignment job = Script("touch \"$2\"");
  fs::remove(root_ + "/in/f.csv");
  const v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_INPUT_NOT_VISIBLE);
  EXPECT_TRUE(fs::is_empty(root_ + "/out/.closewrite/staging"));
  EXPECT_TRUE(fs::is_empty(root_ + "/state/attempts"));
}

// Each such attempt counted as a failure, until the job was a dead letter.
TEST_F(AttemptTest, WhatFailsBecauseAVolumeIsGoneDoesNotCount) {
  std::string gone = "in";
  context_.look = [&](const std::string& volume) { return volume == gone ? "no mount" : ""; };
  v1::Assignment job = Script("rm -r \"$CLOSEWRITE_OUTPUT_DIR\"");
  fs::rename(root_ + "/in", root_ + "/away");
  v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
  EXPECT_EQ(result.message(), "volume in can't be used on vm-c at " + root_ + "/in: no mount");
  fs::rename(root_ + "/away", root_ + "/in");

  gone = "out";
  result = RunJob(job);  // its results can't be taken
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_NE(result.message().find("volume out can't be used on vm-c"), std::string::npos);
  fs::remove_all(root_ + "/out/.closewrite");
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
  gone = "";
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_FAILED);
}

TEST_F(AttemptTest, AnotherVersionStartsNothing) {
  v1::Assignment job = Script("touch \"$2\"");
  std::ofstream(root_ + "/in/f.csv") << "longer";
  const v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_INPUT_CHANGED);
  EXPECT_EQ(result.observed_input().size(), 6);
}

TEST_F(AttemptTest, AnInputThatChangesMeanwhileIsNotPublished) {
  const v1::AttemptResult result = RunJob(Script("cp \"$1\" \"$2\"; echo more >> \"$1\""));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_INPUT_CHANGED);
  EXPECT_EQ(result.observed_input().size(), 8);
  EXPECT_EQ(result.files_size(), 0);
  EXPECT_TRUE(StagingIsGone());
}

TEST_F(AttemptTest, ACommandMayRemoveItsInput) {
  EXPECT_EQ(RunJob(Script("mv \"$1\" \"$2\"")).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
}

TEST_F(AttemptTest, LinksInTheStagingDirectoryAreAFailure) {
  const v1::AttemptResult result = RunJob(Script("ln -s /etc/passwd \"$2\""));
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_NE(result.message().find("symbolic link"), std::string::npos);
  EXPECT_TRUE(StagingIsGone());
}

TEST_F(AttemptTest, NothingToPublishIsFine) {
  v1::Assignment job = Script("test -z \"$CLOSEWRITE_OUTPUT_DIR\"");
  job.clear_output_volume();
  EXPECT_EQ(RunJob(job).outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  job = Script("exit 0");
  job.clear_input();
  const v1::AttemptResult result = RunJob(job);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_SUCCEEDED);
  EXPECT_EQ(result.files_size(), 0);
}

TEST_F(AttemptTest, VolumesThatAreNotHereAreNamed) {
  v1::Assignment job = Script("exit 0");
  job.set_output_volume("archive");
  EXPECT_NE(RunJob(job).message().find("read-only"), std::string::npos);
  job.set_output_volume("elsewhere");
  EXPECT_NE(RunJob(job).message().find("elsewhere is not mounted here"), std::string::npos);
}

TEST_F(AttemptTest, ReportsProgress) {
  auto attempt = Begin(Script("echo '::closewrite progress 40 100 rows'; sleep 1000"));
  WaitForOutput(*attempt);
  // As whoever ships the log does, and twice after a stream that broke.
  const std::string records = *attempt->log()->Read(0, 1 << 20);
  for (int times = 0; times < 2; ++times) attempt->ReadProgress(0, records);
  EXPECT_EQ(attempt->view().progress.done(), 40);
  EXPECT_EQ(attempt->view().progress.unit(), "rows");
  attempt->Kill("enough");
}

TEST_F(AttemptTest, KilledMeansKilled) {
  auto attempt = Begin(Script("touch \"$2\"; echo ready; sleep 1000"));
  WaitForOutput(*attempt);
  EXPECT_GT(attempt->view().pid, 0);
  attempt->HandBack();  // too late for that
  attempt->Kill("cancelled");
  const v1::AttemptResult result = WaitFor(*attempt);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_EQ(result.message(), "cancelled");
  EXPECT_EQ(result.signal(), SIGKILL);
  EXPECT_TRUE(StagingIsGone());
}

TEST_F(AttemptTest, TerminatedMayCleanUpButDoesNotSucceed) {
  auto attempt = Begin(Script("trap 'exit 0' TERM; echo ready; sleep 1000 & wait"));
  WaitForOutput(*attempt);
  attempt->Terminate("stopping");
  const v1::AttemptResult result = WaitFor(*attempt);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_TRUE(result.has_exit_code());
  EXPECT_EQ(result.exit_code(), 0);
}

TEST_F(AttemptTest, HandedBackWhileItsInputIsAwaited) {
  v1::Assignment job = Script("exit 0");
  fs::remove(root_ + "/in/f.csv");
  *job.mutable_visible_within() = ToProto(absl::Minutes(10));
  auto attempt = Begin(job);
  attempt->HandBack();
  EXPECT_EQ(WaitFor(*attempt).outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
}

TEST_F(AttemptTest, TheLeasesEndIsItsEnd) {
  v1::Assignment job = Script("echo ready; sleep 1000");
  auto attempt = Begin(job, absl::Seconds(3));
  WaitForOutput(*attempt);
  const absl::Duration renewed = SinceBoot() + absl::Seconds(4);
  attempt->Renew(renewed);
  const v1::AttemptResult result = WaitFor(*attempt);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_KILLED);
  EXPECT_GE(SinceBoot(), renewed);
}

TEST_F(AttemptTest, WhatEndsAfterTheLeaseHasNotSucceeded) {
  // The lease is over before the command is started.
  auto attempt = Begin(Script("cp \"$1\" \"$2\""), -absl::Milliseconds(1));
  const v1::AttemptResult result = WaitFor(*attempt);
  EXPECT_EQ(result.outcome(), v1::ATTEMPT_OUTCOME_HANDED_BACK);
  EXPECT_TRUE(StagingIsGone());
}

TEST_F(AttemptTest, TheJournalKnowsResults) {
  RunJob(Script("exit 3"));
  const auto entries = journal_->TakeUp();
  ASSERT_EQ(entries.size(), 1);
  ASSERT_TRUE(entries[0].result.has_value());
  EXPECT_EQ(entries[0].result->exit_code(), 3);
}

}  // namespace
}  // namespace closewrite::executor
