#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"
#include "services/transport/errors.h"

namespace closewrite::cli {
namespace {

using InputWaitTest = CliFixture;

TEST_F(InputWaitTest, WaitsForTheUnfinishedJobsOfMatchingFiles) {
  v1::Job older = MakeJob(1, v1::JOB_STATE_FAILED, "a/old.csv");
  older.set_exit_code(9);
  coordinator_.PutJob(older);  // long ago
  coordinator_.PutJob(MakeJob(2, v1::JOB_STATE_RUNNING, "a/x.csv"));
  coordinator_.PutJob(MakeJob(3, v1::JOB_STATE_RUNNING, "b/y.csv"));  // does not match
  coordinator_.PutJobAtFlush(MakeJob(4, v1::JOB_STATE_AVAILABLE, "a/z.csv"));
  const auto run = Begin({"wait", "--input", "unenriched", "--match", "a/*"});
  coordinator_.AwaitStreams(1);
  coordinator_.PutJob(Succeeded(2, "a/x.csv"));
  run->out().Await("enriched:a/x.csv\n");
  coordinator_.PutJob(Succeeded(4, "a/z.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "enriched:a/x.csv\nenriched:a/z.csv\n");
  EXPECT_EQ(run->err().text(), "");
}

TEST_F(InputWaitTest, WhatEndsWhileTheVolumeIsFlushedCountsToo) {
  v1::Job failed = MakeJob(4, v1::JOB_STATE_FAILED, "a.csv");
  failed.set_exit_code(7);
  coordinator_.PutJobAtFlush(failed);
  EXPECT_EQ(Run({"wait", "--input", "unenriched"}).code, 7);
  EXPECT_EQ(Run({"wait", "--input", "unenriched"}).code, 0);  // nothing is unfinished any more
}

TEST_F(InputWaitTest, OneFileIsWaitedForAlsoWhenItsJobHasEnded) {
  v1::Job failed = MakeJob(1, v1::JOB_STATE_FAILED, "a.csv");
  failed.set_exit_code(7);
  coordinator_.PutJob(failed);
  EXPECT_EQ(Run({"wait", "--input", "unenriched", "--match", "a.csv"}).code, 7);
  coordinator_.PutJob(Succeeded(2, "a.csv"));  // of a newer version
  const CliResult result = Run({"wait", "--input", "unenriched", "--match", "a.csv"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "enriched:a.csv\n");
  const CliResult none = Run({"wait", "--input", "unenriched", "--match", "b.csv"});
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.err,
            "closewrite: there is no job of unenriched:b.csv; `closewrite explain "
            "unenriched:b.csv` says why\n");
  const CliResult some = Run({"wait", "--input", "unenriched", "--match", "b/*"});
  EXPECT_EQ(some.code, 0);
  EXPECT_EQ(some.err, "closewrite: no job of unenriched:b/* was unfinished\n");
}

TEST_F(InputWaitTest, ANewerVersionTakesThePlaceOfACancelledJob) {
  coordinator_.PutJob(MakeJob(1, v1::JOB_STATE_AVAILABLE, "a.csv"));
  const auto run = Begin({"wait", "--input", "unenriched"});
  coordinator_.AwaitStreams(1);
  coordinator_.PutJob(MakeJob(2, v1::JOB_STATE_RUNNING, "a.csv"));
  v1::Job superseded = MakeJob(1, v1::JOB_STATE_CANCELLED, "a.csv");
  superseded.set_message("superseded by a newer version of its file");
  coordinator_.PutJob(superseded);
  run->err().Await("job 1 cancelled: superseded");
  coordinator_.AwaitStreams(2);
  coordinator_.PutJob(Succeeded(2, "a.csv"));
  EXPECT_EQ(run->Finish(), 0);
  EXPECT_EQ(run->out().text(), "enriched:a.csv\n");
}

TEST_F(InputWaitTest, TimesOutWithIdsOnStdout) {
  coordinator_.PutJob(MakeJob(7, v1::JOB_STATE_RUNNING, "a.csv"));
  const CliResult jobs = Run({"wait", "--input", "unenriched", "--timeout", "300ms"});
  EXPECT_EQ(jobs.code, 124);
  EXPECT_EQ(jobs.out, "7\n");
  coordinator_.SetFlushStatus(
      WithReason(absl::UnavailableError("its watcher is away"), "WATCHER_NOT_CONNECTED"));
  const CliResult away = Run({"wait", "--input", "unenriched", "--timeout", "200ms"});
  EXPECT_EQ(away.code, 124);
  EXPECT_EQ(away.out, "7\n");
  EXPECT_TRUE(absl::StrContains(away.err, "its watcher is away")) << away.err;
  coordinator_.SetFlushStatus(absl::NotFoundError("no watcher has announced a volume v"));
  EXPECT_EQ(Run({"wait", "--input", "v"}).code, 1);
}

TEST_F(InputWaitTest, RefusesUnclearQuestions) {
  EXPECT_EQ(Run({"wait", "--input", "v", "--volume", "w"}).code, 2);
  EXPECT_EQ(Run({"wait", "1", "--input", "v"}).code, 2);
  EXPECT_EQ(Run({"wait", "--input", "v", "--count", "2"}).code, 2);
  EXPECT_EQ(Run({"wait", "--input", "v", "--match", "[a"}).code, 2);
}

}  // namespace
}  // namespace closewrite::cli
