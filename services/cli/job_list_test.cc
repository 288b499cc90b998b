#include "services/cli/job_list.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "services/cli/cli_fixture.h"

namespace closewrite::cli {
namespace {

class JobListTest : public CliFixture {
 protected:
  JobListTest() {
    v1::Job one = MakeJob(1, v1::JOB_STATE_SUCCEEDED, "c.csv");
    one.mutable_started_at()->set_seconds(100);
    one.mutable_finished_at()->set_seconds(110);
    v1::Job two = MakeJob(2, v1::JOB_STATE_FAILED, "a.csv");
    two.mutable_started_at()->set_seconds(100);
    two.mutable_finished_at()->set_seconds(160);
    two.mutable_created_at()->set_seconds(50);
    v1::Job three = MakeJob(3, v1::JOB_STATE_AVAILABLE, "b.csv");
    three.set_pipeline("clean");
    for (const v1::Job& job : {one, two, three}) coordinator_.PutJob(job);
  }

  std::string Sorted(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"jobs", "-o", "name"});
    const std::string out = Run(arguments).out;
    return absl::StrJoin(absl::StrSplit(out, '\n', absl::SkipEmpty()), " ");
  }
};

TEST_F(JobListTest, SortsByEachKey) {
  EXPECT_EQ(Sorted({"--sort", "id"}), "3 2 1");
  EXPECT_EQ(Sorted({"--reverse"}), "1 2 3");
  EXPECT_EQ(Sorted({"--sort", "created"}), "3 1 2");
  EXPECT_EQ(Sorted({"--sort", "duration"}), "2 1 3");
  EXPECT_EQ(Sorted({"--sort", "state"}), "3 2 1");
  EXPECT_EQ(Sorted({"--sort", "pipeline"}), "3 2 1");
  EXPECT_EQ(Sorted({"--sort", "input"}), "2 3 1");
  EXPECT_EQ(Sorted({"--sort", "input", "--reverse"}), "1 3 2");
  EXPECT_EQ(Run({"jobs", "--sort", "size"}).code, 2);
}

TEST_F(JobListTest, TheLimitCountsAfterTheSort) {
  const CliResult result = Run({"jobs", "-o", "name", "--sort", "duration", "--limit", "1"});
  EXPECT_EQ(result.out, "2\n");
  EXPECT_EQ(result.err, "closewrite: there are 3; --limit 0 shows all\n");
}

TEST_F(JobListTest, ShortPagesAreNotTheEnd) {
  coordinator_.SetPageMax(1);
  EXPECT_EQ(Sorted({}), "3 2 1");
  EXPECT_EQ(Sorted({"--limit", "2"}), "3 2");
  EXPECT_EQ(Run({"jobs", "--limit", "2", "--match", "*"}).err,
            "closewrite: there may be more than 2; --limit 0 shows all\n");
}

TEST_F(JobListTest, NamesThatNobodyKnowsAreNoted) {
  v1::PipelineStatus pipeline;
  pipeline.mutable_pipeline()->set_name("enrich");
  coordinator_.PutPipeline(pipeline);
  v1::WatcherStatus watcher;
  watcher.set_host("vm-b");
  watcher.add_volumes()->set_volume("unenriched");
  coordinator_.PutWatcher(watcher);
  v1::ExecutorStatus executor;
  executor.set_host("vm-c");
  (*executor.mutable_volume_roots())["enriched"] = "/mnt/enriched";
  coordinator_.PutExecutor(executor);
  const std::string unknown_pipeline =
      "closewrite: there is no pipeline \"enrihc\": did you mean \"enrich\"?\n";
  EXPECT_EQ(Run({"jobs", "--pipeline", "enrihc"}).err, unknown_pipeline);
  EXPECT_EQ(Run({"jobs", "--pipeline", "enrihc", "--sort", "id"}).err, unknown_pipeline);
  EXPECT_EQ(Run({"jobs", "--pipeline", "enrich", "--state", "cancelled"}).err, "");
  EXPECT_EQ(Run({"jobs", "--volume", "x"}).err,
            "closewrite: no watcher or executor tells of a volume \"x\": known are enriched, "
            "unenriched\n");
  EXPECT_EQ(Run({"jobs", "--host", "vm-d"}).err,
            "closewrite: no watcher or executor tells of a host \"vm-d\": did you mean "
            "\"vm-b\"?\n");
  EXPECT_EQ(Run({"retry", "--pipeline", "enrihc"}).err,
            unknown_pipeline + "closewrite: no job matches that could be retried\n");
  EXPECT_EQ(Run({"wait", "--volume", "enrched", "--timeout", "300ms"}).err,
            "closewrite: no watcher or executor tells of a volume \"enrched\": did you mean "
            "\"enriched\"?\nclosewrite: the wait timed out; 0 of 1 files are there\n");
}

TEST_F(JobListTest, WatchesForChanges) {
  const auto run = Begin({"jobs", "--watch", "--limit", "2"});
  run->out().Await("a.csv");
  v1::Job three = coordinator_.job(3);
  three.set_state(v1::JOB_STATE_RUNNING);
  coordinator_.PutJob(three);
  run->out().Await("running");
  three.mutable_started_at()->set_seconds(200);  // makes no other row
  coordinator_.PutJob(three);
  coordinator_.PutJob(MakeJob(4, v1::JOB_STATE_AVAILABLE, "d.csv"));
  run->out().Await("d.csv");
  run->CtrlC();
  EXPECT_EQ(run->Finish(), 130);
  EXPECT_EQ(run->out().text(),
            "    ID  PIPELINE      STATE       INPUT                         ATTEMPTS  HOST      "
            "CREATED                   WHY\n"
            "     3  clean         available   unenriched:b.csv              1/5                 "
            "2026-11-22T11:00:00.000Z\n"
            "     2  enrich        failed      unenriched:a.csv              1/5                 "
            "1970-01-01T00:00:50.000Z\n"
            "     3  clean         running     unenriched:b.csv              1/5                 "
            "2026-11-22T11:00:00.000Z\n"
            "     4  enrich        available   unenriched:d.csv              1/5                 "
            "2026-11-22T11:00:00.000Z\n");
  EXPECT_EQ(run->err().text(), "");
}

TEST_F(JobListTest, WatchesForPrograms) {
  const CliResult result =
      Run({"jobs", "--watch", "-o", "json", "--state", "failed", "--timeout", "200ms"});
  EXPECT_EQ(result.code, 124);
  EXPECT_EQ(nlohmann::json::parse(result.out)["id"], 2);
  EXPECT_EQ(Run({"jobs", "--watch", "--sort", "id"}).code, 2);
}

TEST_F(JobListTest, ARestartIsNotNoticed) {
  const auto run = Begin({"jobs", "--watch", "-o", "name", "--limit", "1"});
  run->out().Await("3\n");
  coordinator_.Stop();
  coordinator_.PutJob(MakeJob(1, v1::JOB_STATE_FAILED, "c.csv"));
  coordinator_.Start();
  run->out().Await("1\n");
  coordinator_.PutJob(MakeJob(4, v1::JOB_STATE_AVAILABLE, "d.csv"));
  run->out().Await("4\n");
  run->CtrlC();
  run->Finish();
  EXPECT_EQ(run->out().text(), "3\n1\n4\n");
}

}  // namespace
}  // namespace closewrite::cli
